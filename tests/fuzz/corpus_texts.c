/* fuzz/corpus_texts.c: first inputs that are texts, for the targets that read them. */
#include "fuzz/corpus_texts.h"

#define TEXT(target, text)            \
    {                                 \
        target, text, sizeof text - 1 \
    }

const fuzz_text fuzz_texts[] = {
    TEXT("names", "00112233445566778899aabbccddeeff-12.log"),
    TEXT("names", "00112233445566778899aabbccddeeff.seg"),
    TEXT("names", "00112233445566778899AABBCCDDEEFF"),
    TEXT("names", "00112233445566778899aabbccddeeff.tmp"),
    TEXT("names", "4294967295"),
    TEXT("names", "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xed\xa0\x80"),

    TEXT("match", "loss*{rank=7,split=v?l}\0loss/train\0host1"),
    TEXT("match", "[a-c\\]]*[!x-z-]?\0b]..w\0"),
    TEXT("match", "grad.\\*norm{host=[0-9]*}\0grad.*norm\0"
                  "42"),
    TEXT("match", "*a*b*c\0aXbXXcabc\0"),

    TEXT("numbers", "-1.5e-310"),
    TEXT("numbers", "nan:7ff8000000000001"),
    TEXT("numbers", "9223372036854775807"),
    TEXT("numbers", "2026-01-02T03:04:05.25+01:00"),
    TEXT("numbers", "@1700000000.123456789"),
    TEXT("numbers", "-1.5h"),
    TEXT("numbers", "100:200"),
    TEXT("numbers", "28926ms"),
    TEXT("numbers", "[2026-01-02 03:04:05,123] x"),
    TEXT("numbers", "1677-09-21T00:12:43.146498767Z"),
    TEXT("numbers", "5/100"),
    TEXT("numbers", "-nan(ind)"),
    TEXT("numbers", "10k"),
    TEXT("numbers", " true "),

    TEXT(
        "json",
        "{\"step\": 1, \"a\": [1, -2.5e-3, true, null, NaN, -Infinity], \"b\": {\"\\u00e9\\ud83d\\ude00\": \"x\\n\"}}"),
    TEXT("json", "[[[[[[]]]]], {}, \"\", 0, 1e400]"),
    TEXT("json", "\"a\xff\xc3\xa9\\u0000b\" tail"),

    TEXT(
        "log_line",
        "\0{\"step\": 3, \"loss\": 0.5, \"opt\": {\"lr\": 1e-3}, \"time\": 1700000000}\nstep=4 loss=0.25 acc: 12.5%\n"),
    TEXT("log_line", "\1"
                     "2026-01-02 03:04:05,123 INFO [epoch 2/10] batch 7: \x1b[32mloss\x1b[0m = 1.5e-3 | lr 3e-4\n"),
    TEXT("log_line", "\0iter 10, it/s=3.2, eta: 00:10, nan=nan {\"half\": \n"),

    TEXT("import",
         "\0step,loss,acc,when\n1,0.5,10%,2026-01-02 03:04:05\n2,nan,,x\n\"3\",\"0.25\",\"a,\"\"b\",1700000000\n"),
    TEXT("import", "\2epoch\tloss\n# lr: 3\n1\t0.5\n1/10\t2e5\n"),
    TEXT("import", "\0{\"step\": 1, \"loss\": 0.5, \"n\": {\"x\": [1,2]}}\n{\"_step\": 2, \"loss\": \"0.5\"}\n{bad\n"),
    TEXT("import", "\4s:0 trl:11.0 lr:1e-6\ns:1 trl:10.5 lr:2e-6\n2026-01-02 03:04:05 step 3 | loss 0.5 12ms\n"),
    TEXT("import", "\5{\"global_step\": 20, \"log_history\": [{\"epoch\": 0.1, \"loss\": 1.5, \"step\": 10}, "
                   "{\"step\": 20, \"eval_loss\": 2}]}"),
    TEXT("import", "\0"
                   "1,2,3\n4,5,6\n7,8\n9,10,11,12\n"),
    TEXT("import", "\42epoch;a;b\r\n1;2,5;3\r\n\r\n2;;\r\n"),
    TEXT("import", "\0\xef\xbb\xbf"
                   "0:1.5 1:2\n# seed: 42\n{\"a\":1}"),

    TEXT("args", "ls\0--json"),
    TEXT("args", "info\0first"),
    TEXT("args", "query\0@latest\0m*\0--steps\0"
                 "3:9\0--csv"),
    TEXT("args", "tail\0-n5\0second"),
    TEXT("args", "tail\0-f\0--exit-when-done\0first"),
    TEXT("args", "plot\0@latest\0m0\0--width\0"
                 "40"),
    TEXT("args", "diff\0first\0second"),
    TEXT("args", "log\0-q\0--name\0x\0--param\0lr=1"),
    TEXT("args", "import\0--format\0csv\0a.csv"),
    TEXT("args", "import\0b.jsonl\0c.log"),
    TEXT("args", "export\0--jsonl\0-o\0out"),
    TEXT("args", "export\0first"),
    TEXT("args", "set\0first\0name=x\0tag.a=b"),
    TEXT("args", "rewind\0first\0"
                 "10"),
    TEXT("args", "rewind\0--undo\0first"),
    TEXT("args", "fork\0first\0"
                 "10\0--name\0f"),
    TEXT("args", "rm\0first\0m1\0--steps\0"
                 "3:"),
    TEXT("args", "compact\0--now"),
    TEXT("args", "merge\0steplog-store"),
    TEXT("args", "verify\0--json"),
    TEXT("args", "dump\0--values"),
    TEXT("args", "-C\0other\0ls"),
    TEXT("args", "help\0query"),
    TEXT("args", "--version"),
    TEXT("args", "-C"),
    TEXT("args", "query\0first\0m0{rank=0}\0--every\0"
                 "10\0--agg\0mean"),
    TEXT("args", "ls\0first\0--series"),
};
const size_t fuzz_text_count = sizeof fuzz_texts / sizeof fuzz_texts[0];
