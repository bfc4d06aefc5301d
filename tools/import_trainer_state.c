/* import_trainer_state.c: a file that is one JSON text: trainer_state.json, whose log_history is a list of records,
 * a list of objects, or one object.
 *
 * The only format that is held in memory whole, up to IMPORT_WHOLE_BYTES_MAX. */
#include "import_format.h"

#include "print.h"

#include <stdlib.h>

static int read_record(import_file *file, const json_value *object)
{
    if (object->kind != JSON_OBJECT) {
        return 0;
    }
    import_table_begin(&file->table, 1);
    import_json_cells(&file->table, object, NULL, 0);
    return import_table_end(&file->table, 1);
}

static int read_root(import_file *file, const json_value *root)
{
    const json_value *history = json_member(root, "log_history");
    if (history == NULL || history->kind != JSON_ARRAY) {
        history = root->kind == JSON_ARRAY ? root : NULL;
    }
    if (history == NULL) {
        return read_record(file, root);
    }
    int code = 0;
    for (const json_value *entry = history->first; entry != NULL && code == 0; entry = entry->next) {
        code = read_record(file, entry);
    }
    return code;
}

/* For the head too the whole file is parsed: the records are at its end. */
int import_trainer_state(import_file *file, int is_head)
{
    json_error error = {0};
    size_t bytes;
    (void)is_head;
    char *text = import_input_whole(&file->input, &bytes);
    if (text == NULL) {
        return TOOL_IO;
    }
    const json_value *root = json_parse(file->json, text, bytes, &error);
    int code = 0;
    if (root == NULL) {
        print_error("'%s' offset %zu: %s", file->input.path, error.offset, error.what);
        code = TOOL_IO;
    } else {
        code = read_root(file, root);
    }
    free(text);
    return code;
}
