/* The ten lines of C that README.md and steplog.h show, built and run by the tests. */
#include <steplog.h>

int main(void)
{
    const steplog_store_options options = {.size_bytes = sizeof options, .flags = STEPLOG_CREATE};
    steplog_store *store;
    steplog_writer *writer;
    if (steplog_store_open("runs", &options, &store, NULL) != STEPLOG_OK) return 1;
    if (steplog_writer_open(store, NULL, &writer, NULL) != STEPLOG_OK) return 1;
    for (int step = 0; step < 1000; step++)
        steplog_writer_log(writer, step, (steplog_named[]){{"loss", 1.0 / (step + 1)}, {"lr", 3e-4}}, 2);
    steplog_writer_close(writer, 0, NULL);
    return steplog_store_close(store, NULL) == STEPLOG_OK ? 0 : 1;
}
