/* import_jsonl.c: one JSON object a line, and how objects become cells.
 *
 * Nested objects join their names with a dot, as "info.learner.kl". null is missing; true and false are 1 and 0; a
 * string that is a number (or a spelling of NaN) is one; lists are counted and left out. A line that is no object is
 * counted and passed over. */
#include "import_format.h"

#include "print.h"

#include <stdlib.h>
#include <string.h>

/* Of a joined name: one long outer name must not be copied for each of a million inner ones. */
#define JOINED_BYTES_MAX 4096u

static void put_member(import_table *t, const json_value *member, const char *name, size_t bytes)
{
    double number;
    switch (member->kind) {
    case JSON_NULL:
        break;
    case JSON_BOOL:
        import_table_number(t, import_table_column(t, name, bytes), member->is_true, "", 0);
        break;
    case JSON_NUMBER:
        if (json_double(member, &number)) {
            import_table_number(t, import_table_column(t, name, bytes), number, member->text, member->bytes);
        }
        break;
    case JSON_STRING:
        import_table_cell(t, import_table_column(t, name, bytes), member->text, member->bytes);
        break;
    case JSON_ARRAY:
        import_table_list(t, import_table_column(t, name, bytes));
        break;
    case JSON_OBJECT:
        import_json_cells(t, member, name, bytes);
        break;
    }
}

void import_json_cells(import_table *table, const json_value *object, const char *prefix, size_t prefix_bytes)
{
    for (const json_value *member = object->first; member != NULL; member = member->next) {
        if (prefix_bytes == 0) {
            put_member(table, member, member->key, member->key_bytes);
            continue;
        }
        const size_t bytes = prefix_bytes + 1 + member->key_bytes;
        if (bytes > JOINED_BYTES_MAX) {
            table->refused_names++;
            continue;
        }
        char *name = xmalloc(bytes + 1);
        memcpy(name, prefix, prefix_bytes);
        name[prefix_bytes] = '.';
        memcpy(name + prefix_bytes + 1, member->key, member->key_bytes);
        name[bytes] = 0;
        put_member(table, member, name, bytes);
        free(name);
    }
}

static int read_object(import_file *file, const char *text, size_t bytes)
{
    json_error error = {0};
    const json_value *root = json_parse(file->json, text, bytes, &error);
    if (root == NULL || root->kind != JSON_OBJECT) {
        if (file->unparsable.count == 0) {
            file->unparsable_reason = root == NULL ? error.what : "not an object";
        }
        import_tally_add(&file->unparsable, file->input.line);
        return 0;
    }
    import_table_begin(&file->table, file->input.line);
    import_json_cells(&file->table, root, NULL, 0);
    return import_table_end(&file->table, 1);
}

int import_jsonl(import_file *file)
{
    const char *text;
    size_t bytes;
    int got;
    while ((got = import_input_line(&file->input, &text, &bytes)) == 1) {
        import_cell_trim(&text, &bytes);
        if (bytes == 0) {
            continue;
        }
        const int code = read_object(file, text, bytes);
        if (code != 0) {
            return code;
        }
    }
    return got < 0 ? import_read_failure(file) : 0;
}
