/* os/os_machine.h: what the table asks about the machine and the process. */
#ifndef SL_OS_MACHINE_H
#define SL_OS_MACHINE_H

#include <stddef.h>
#include <stdint.h>

/* Each is what os.h says of the table's function of that name. */
int64_t sl_machine_wall_time_ns(void);
int64_t sl_machine_monotonic_time_ns(void);
int sl_machine_random(void *buffer, size_t bytes);
int sl_machine_host_name(char *buffer, size_t bytes);
int sl_machine_host_id(uint8_t out[16]);
int sl_machine_boot_id(uint8_t out[16]);
int64_t sl_machine_process_start_time_ns(void);
uint32_t sl_machine_process_id(void);
void sl_machine_sleep_ns(int64_t ns);
void sl_machine_lower_priority(void);

#endif
