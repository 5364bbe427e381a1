/* A settings file of any bytes: refused with a place, or read, checked, printed and read again as the same.
 */
#include "fuzz.h"

#include <string.h>

#include "server/settings.h"
#include "server/settings_print.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    /* The file's own include directive may open files: a fuzzer has no business in them. */
    if (size > 16384 || memmem(data, size, "@include", 8) != NULL || memmem(data, size, "_file", 5) != NULL)
        return 0;
    struct settings s;
    struct settings copy;
    struct why why = { "" };
    FUZZ_CHECK(settings_init(&s) == 0);
    if (settings_read_text(&s, slice_of((const char *)data, size), "fuzz", &why) != 0) {
        FUZZ_CHECK(strncmp(why.text, "fuzz", 4) == 0);
        settings_done(&s);
        return 0;
    }
    (void)settings_check(&s, &why);
    FUZZ_CHECK(settings_copy(&s, &copy) == 0);
    for (int id = 0; id < SETTING_COUNT; id++) {
        FUZZ_CHECK(settings_same(&s, &copy, (enum setting_id)id));
        FUZZ_CHECK(settings_set(&copy, (enum setting_id)id,
                                slice_text(settings_text(&s, (enum setting_id)id)), SETTING_ORIGIN_FLAG, 0,
                                &why) == 0);
        FUZZ_CHECK(settings_same(&s, &copy, (enum setting_id)id));
    }
    settings_done(&copy);
    settings_done(&s);
    return 0;
}
