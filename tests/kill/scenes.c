/* kill/scenes.c */
#include "kill/kill.h"
void test_late(const orders *o, figures *out) { (void)o, (void)out; }
void test_stopped(const orders *o, figures *out) { (void)o, (void)out; }
void test_thought_dead(const orders *o, figures *out) { (void)o, (void)out; }
void test_crowd(const orders *o, figures *out) { (void)o, (void)out; }
