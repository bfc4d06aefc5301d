/* time_text.c: wall times to text and back, without the C library's time zones. */
#include "time_text.h"
#include "number.h"

#include <steplog.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#define NS_PER_SECOND 1000000000

/* Days since 1970-01-01 of a date of the proleptic Gregorian calendar, counted from March so that the leap day comes
 * last in its year. */
static int64_t days_of_date(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void date_of_days(int64_t days, int *year, int *month, int *day)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t day_of_era = z - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * day_of_year + 2) / 153;
    *day = (int)(day_of_year - (153 * shifted_month + 2) / 5 + 1);
    *month = (int)(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
    *year = (int)(year_of_era + era * 400 + (*month <= 2));
}

size_t time_text_format(int64_t time_ns, char text[TIME_TEXT_BYTES])
{
    text[0] = 0;
    if (time_ns == STEPLOG_TIME_NONE || time_ns == STEPLOG_TIME_NOW) return 0;
    int64_t seconds = time_ns / NS_PER_SECOND, ns = time_ns % NS_PER_SECOND;
    if (ns < 0) {
        seconds--;
        ns += NS_PER_SECOND;
    }
    int64_t days = seconds / 86400, rest = seconds % 86400;
    if (rest < 0) {
        days--;
        rest += 86400;
    }
    int year, month, day;
    date_of_days(days, &year, &month, &day);
    int length = snprintf(text, TIME_TEXT_BYTES, "%04d-%02d-%02dT%02d:%02d:%02d", year, month, day, (int)(rest / 3600),
                          (int)(rest / 60 % 60), (int)(rest % 60));
    if (ns != 0) {
        length += snprintf(text + length, (size_t)(TIME_TEXT_BYTES - length), ".%09d", (int)ns);
        while (text[length - 1] == '0') length--;
    }
    text[length++] = 'Z';
    text[length] = 0;
    return (size_t)length;
}

/* A place in the text being read. */
typedef struct scan {
    const char *at, *end;
} scan;

static int scan_char(scan *s, const char *any_of)
{
    if (s->at == s->end || *s->at == 0 || strchr(any_of, *s->at) == NULL) return 0;
    s->at++;
    return 1;
}

static int scan_digits(scan *s, int count, int *out)
{
    int value = 0;
    if (s->end - s->at < count) return 0;
    for (int i = 0; i < count; i++) {
        char c = s->at[i];
        if (c < '0' || c > '9') return 0;
        value = value * 10 + (c - '0');
    }
    s->at += count;
    *out = value;
    return 1;
}

/* Reads the digits after a decimal point as nanoseconds; digits past the ninth are read and dropped. */
static int scan_fraction(scan *s, int64_t *out)
{
    int64_t ns = 0, unit = NS_PER_SECOND;
    const char *start = s->at;
    for (; s->at < s->end && *s->at >= '0' && *s->at <= '9'; s->at++) {
        if (unit == 1) continue;
        unit /= 10;
        ns += (*s->at - '0') * unit;
    }
    *out = ns;
    return s->at > start;
}

static int month_days(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && is_leap);
}

/* Puts seconds and nanoseconds together where int64 nanoseconds reach (1677 to 2262). */
static int join_time(int64_t seconds, int64_t ns, int64_t *out)
{
    int64_t value;
    if (seconds < 0 && ns > 0) { /* the first second that fits begins before the first nanosecond that does */
        seconds++;
        ns -= NS_PER_SECOND;
    }
    if (__builtin_mul_overflow(seconds, (int64_t)NS_PER_SECOND, &value)) return 0;
    if (__builtin_add_overflow(value, ns, &value) || value <= STEPLOG_TIME_NONE) return 0;
    *out = value;
    return 1;
}

int time_text_parse_rfc3339(const char *text, size_t bytes, int64_t *out)
{
    scan s = {text, text + bytes};
    int year, month, day, hour = 0, minute = 0, second = 0, offset_hour, offset_minute;
    int64_t ns = 0, offset = 0;
    if (!scan_digits(&s, 4, &year) || !scan_char(&s, "-") || !scan_digits(&s, 2, &month) || !scan_char(&s, "-") ||
        !scan_digits(&s, 2, &day))
        return 0;
    if (month < 1 || month > 12 || day < 1 || day > month_days(year, month)) return 0;
    if (scan_char(&s, "Tt ")) {
        if (!scan_digits(&s, 2, &hour) || !scan_char(&s, ":") || !scan_digits(&s, 2, &minute)) return 0;
        if (scan_char(&s, ":")) {
            if (!scan_digits(&s, 2, &second)) return 0;
            if (scan_char(&s, ".,") && !scan_fraction(&s, &ns)) return 0;
        }
        if (hour > 23 || minute > 59 || second > 60) return 0; /* 60: a leap second reads as the next minute's 0 */
        if (!scan_char(&s, "Zz") && s.at < s.end && (*s.at == '+' || *s.at == '-')) {
            int64_t sign = *s.at++ == '-' ? -1 : 1;
            if (!scan_digits(&s, 2, &offset_hour)) return 0;
            scan_char(&s, ":");
            if (!scan_digits(&s, 2, &offset_minute) || offset_hour > 23 || offset_minute > 59) return 0;
            offset = sign * (offset_hour * 3600 + offset_minute * 60);
        }
    }
    if (s.at != s.end) return 0;
    int64_t seconds = days_of_date(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset;
    return join_time(seconds, ns, out);
}

/* Reads [-]seconds[.fraction] exactly, not through a double. */
static int parse_unix(const char *text, int64_t *out)
{
    scan s = {text, text + strlen(text)};
    int is_negative = scan_char(&s, "-");
    const char *start = s.at;
    while (s.at < s.end && *s.at >= '0' && *s.at <= '9') s.at++;
    int64_t seconds, ns = 0;
    if (!number_parse_int64(start, (size_t)(s.at - start), &seconds)) return 0;
    if (scan_char(&s, ".") && !scan_fraction(&s, &ns)) return 0;
    if (s.at != s.end) return 0;
    return is_negative ? join_time(-seconds, -ns, out) : join_time(seconds, ns, out);
}

static int64_t unit_seconds(char unit)
{
    switch (unit) {
    case 's': return 1;
    case 'm': return 60;
    case 'h': return 3600;
    case 'd': return 86400;
    case 'w': return 604800;
    default: return 0;
    }
}

/* Reads "-10m": a number of units before now. */
static int parse_relative(const char *text, int64_t now_ns, int64_t *out)
{
    size_t bytes = strlen(text);
    double amount;
    if (bytes < 3 || text[0] != '-') return 0;
    int64_t unit = unit_seconds(text[bytes - 1]);
    if (unit == 0 || !number_parse_double(text + 1, bytes - 2, &amount)) return 0;
    double span = amount * (double)unit * NS_PER_SECOND;
    if (!(span >= 0 && span < 9e18)) return 0;
    return !__builtin_sub_overflow(now_ns, (int64_t)span, out) && *out > STEPLOG_TIME_NONE;
}

int time_text_parse(const char *text, int64_t now_ns, int64_t *out)
{
    if (strcmp(text, "now") == 0) {
        *out = now_ns;
        return 1;
    }
    if (text[0] == '@') return parse_unix(text + 1, out);
    if (text[0] == '-') return parse_relative(text, now_ns, out);
    return time_text_parse_rfc3339(text, strlen(text), out);
}

size_t time_text_format_span(int64_t span_ns, char text[TIME_TEXT_BYTES])
{
    int64_t seconds = span_ns < 0 ? 0 : span_ns / NS_PER_SECOND;
    static const struct {
        int64_t below, unit;
        char letter;
    } units[] = {{60, 1, 's'}, {3600, 60, 'm'}, {86400, 3600, 'h'}, {14 * 86400, 86400, 'd'}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (seconds < units[i].below)
            return (size_t)snprintf(text, TIME_TEXT_BYTES, "%lld%c", (long long)(seconds / units[i].unit),
                                    units[i].letter);
    if (seconds < (int64_t)365 * 86400)
        return (size_t)snprintf(text, TIME_TEXT_BYTES, "%lldw", (long long)(seconds / 604800));
    return (size_t)snprintf(text, TIME_TEXT_BYTES, "%lldy", (long long)(seconds / (365 * 86400)));
}

int64_t time_text_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}
