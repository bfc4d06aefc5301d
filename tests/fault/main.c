/* fault/main.c: every call of the operating system fails, in every way that is plausible, once and for good, and a second
 * one anywhere after it; every allocation fails; the disk has room for so many bytes and no more.
 *
 * After each: what was acknowledged is there, what was refused is not, what was reported durable survives a power cut
 * that loses everything else, no call that failed was taken for one that worked, and the next process recovers. */
#include "fault/fault.h"

int main(int argc, char **argv)
{
    static const char *const names[] = {"calls", "pairs", "memory", "budget", "syncs", "sites"};
    attack_options o = attack_parse(argc, argv, "failing calls, failing allocations, full disks, failing syncs", names, 6);
    int failed = 0;
    if (attack_wants(&o, "calls")) failed |= fault_calls(&o);
    if (attack_wants(&o, "pairs")) failed |= fault_pairs(&o);
    if (attack_wants(&o, "memory")) failed |= fault_memory(&o);
    if (attack_wants(&o, "budget")) failed |= fault_budget(&o);
    if (attack_wants(&o, "syncs")) failed |= fault_syncs(&o);
    if (o.only && attack_wants(&o, "sites")) {
        /* Some places are reached only when something failed before. */
        failed |= fault_calls(&o) | fault_memory(&o) | fault_budget(&o) | fault_syncs(&o);
        fault_print_sites();
    }
    return failed;
}
