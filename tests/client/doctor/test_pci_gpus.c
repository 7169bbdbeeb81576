/* A bus with GPUs, with an NVIDIA device that is none, with a GPU of another maker, and no bus. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "client/doctor/pci_gpus.h"
#include "tests/client/scratch.h"

static void put_device(const char *name, const char *vendor, const char *klass) {
    char path[256];
    snprintf(path, sizeof path, "bus/%s", name);
    assert_int_equal(df_file_mkdirs(scratch_path(path), NULL), DF_OK);
    snprintf(path, sizeof path, "bus/%s/vendor", name);
    scratch_write(path, vendor, strlen(vendor));
    snprintf(path, sizeof path, "bus/%s/class", name);
    scratch_write(path, klass, strlen(klass));
}

static void gpus_are_counted_and_nothing_else(void **state) {
    (void)state;
    put_device("0000:3b:00.0", "0x10de\n", "0x030200\n"); /* 3D controller: a GPU without a display */
    put_device("0000:3b:00.1", "0x10de\n", "0x040300\n"); /* its sound device */
    put_device("0000:5e:00.0", "0x10de\n", "0x030000\n");
    put_device("0000:00:02.0", "0x8086\n", "0x030000\n");
    put_device("0000:00:03.0", "", "");
    assert_int_equal(df_pci_gpus(scratch_path("bus")), 2);
    assert_int_equal(df_pci_gpus(scratch_path("no_bus")), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(gpus_are_counted_and_nothing_else) };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
