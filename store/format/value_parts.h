/* format/value_parts.h: what encoder and decoder of values share (FORMAT.md 9.5). */
#ifndef SL_FORMAT_VALUE_PARTS_H
#define SL_FORMAT_VALUE_PARTS_H

enum {
    SL_VALUE_RAW,
    SL_VALUE_CONSTANT,
    SL_VALUE_DECIMAL,
    SL_VALUE_DECIMAL_FLOAT,
    SL_VALUE_ORDERED,
    SL_VALUE_FRACTION,
    SL_VALUE_DICTIONARY
};

#endif
