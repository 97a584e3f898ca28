#include "json.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *at, *end;
} Cursor;

static void skip_space(Cursor *c) {
    while (c->at < c->end && strchr(" \t\r\n", *c->at) && *c->at) c->at++;
}

static bool take(Cursor *c, char wanted) {
    if (c->at < c->end && *c->at == wanted) {
        c->at++;
        return true;
    }
    return false;
}

static bool take_word(Cursor *c, const char *word) {
    size_t length = strlen(word);
    if ((size_t)(c->end - c->at) < length || memcmp(c->at, word, length) != 0) return false;
    c->at += length;
    return true;
}

static bool take_hex(Cursor *c, uint32_t *code) {
    *code = 0;
    for (int i = 0; i < 4; i++, c->at++) {
        if (c->at >= c->end) return false;
        char digit = *c->at;
        uint32_t value;
        if (digit >= '0' && digit <= '9') value = (uint32_t)(digit - '0');
        else if (digit >= 'a' && digit <= 'f') value = (uint32_t)(digit - 'a') + 10;
        else if (digit >= 'A' && digit <= 'F') value = (uint32_t)(digit - 'A') + 10;
        else return false;
        *code = *code * 16 + value;
    }
    return true;
}

static bool put(char *out, size_t *length, char byte) {
    if (*length + 1 >= JSON_TEXT || byte == '\0') return false; /* a NUL would end the text early */
    out[(*length)++] = byte;
    return true;
}

static bool put_code(char *out, size_t *length, uint32_t code) {
    if (code < 0x80) return put(out, length, (char)code);
    if (code < 0x800) return put(out, length, (char)(0xC0 | code >> 6)) && put(out, length, (char)(0x80 | (code & 63)));
    if (code < 0x10000)
        return put(out, length, (char)(0xE0 | code >> 12)) && put(out, length, (char)(0x80 | (code >> 6 & 63))) &&
               put(out, length, (char)(0x80 | (code & 63)));
    return put(out, length, (char)(0xF0 | code >> 18)) && put(out, length, (char)(0x80 | (code >> 12 & 63))) &&
           put(out, length, (char)(0x80 | (code >> 6 & 63))) && put(out, length, (char)(0x80 | (code & 63)));
}

static bool take_escape(Cursor *c, char *out, size_t *length) {
    static const char names[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    if (c->at >= c->end || *c->at == '\0') return false;
    char name = *c->at++;
    const char *found = strchr(names, name);
    if (found) return put(out, length, meant[found - names]);
    uint32_t code, low;
    if (name != 'u' || !take_hex(c, &code)) return false;
    if (code >= 0xDC00 && code < 0xE000) return false;
    if (code >= 0xD800 && code < 0xDC00) {
        if (!take_word(c, "\\u") || !take_hex(c, &low) || low < 0xDC00 || low >= 0xE000) return false;
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    return put_code(out, length, code);
}

static bool valid_utf8(const unsigned char *s) {
    while (*s) {
        int more = *s < 0x80 ? 0 : *s >= 0xC2 && *s < 0xE0 ? 1 : (*s & 0xF0) == 0xE0 ? 2 : *s >= 0xF0 && *s < 0xF5 ? 3 : -1;
        if (more < 0) return false;
        if ((*s == 0xE0 && s[1] < 0xA0) || (*s == 0xED && s[1] > 0x9F)) return false;
        if ((*s == 0xF0 && s[1] < 0x90) || (*s == 0xF4 && s[1] > 0x8F)) return false;
        for (s++; more > 0; more--, s++)
            if ((*s & 0xC0) != 0x80) return false;
    }
    return true;
}

static bool take_string(Cursor *c, char *out) {
    size_t length = 0;
    if (!take(c, '"')) return false;
    while (c->at < c->end) {
        char byte = *c->at++;
        if (byte == '"') {
            out[length] = '\0';
            return valid_utf8((const unsigned char *)out);
        }
        if ((unsigned char)byte < 0x20) return false;
        if (byte == '\\' ? !take_escape(c, out, &length) : !put(out, &length, byte)) return false;
    }
    return false;
}

static size_t take_digits(Cursor *c) {
    const char *from = c->at;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9') c->at++;
    return (size_t)(c->at - from);
}

static bool take_number(Cursor *c, double *number) {
    const char *from = c->at;
    char spelled[64];
    take(c, '-');
    bool zero = c->at < c->end && *c->at == '0';
    size_t digits = take_digits(c);
    if (digits == 0 || (zero && digits > 1)) return false;
    if (take(c, '.') && take_digits(c) == 0) return false;
    if (take(c, 'e') || take(c, 'E')) {
        if (!take(c, '+')) take(c, '-');
        if (take_digits(c) == 0) return false;
    }
    size_t length = (size_t)(c->at - from);
    if (length >= sizeof spelled) return false;
    memcpy(spelled, from, length);
    spelled[length] = '\0';
    *number = strtod(spelled, NULL);
    return isfinite(*number);
}

static bool take_value(Cursor *c, JsonMember *member) {
    if (c->at >= c->end) return false;
    if (*c->at == '"') {
        member->kind = JSON_STRING;
        return take_string(c, member->text);
    }
    if (take_word(c, "null")) {
        member->kind = JSON_NULL;
        return true;
    }
    member->kind = JSON_BOOLEAN;
    if (take_word(c, "false")) return true;
    if (take_word(c, "true")) {
        member->number = 1;
        return true;
    }
    member->kind = JSON_NUMBER;
    return take_number(c, &member->number);
}

bool json_read(const char *bytes, size_t length, JsonObject *object) {
    Cursor c = {bytes, bytes + length};
    memset(object, 0, sizeof *object);
    skip_space(&c);
    if (!take(&c, '{')) return false;
    skip_space(&c);
    if (!take(&c, '}')) {
        do {
            JsonMember *member = &object->members[object->count];
            skip_space(&c);
            if (object->count == JSON_MEMBERS || !take_string(&c, member->name)) return false;
            if (json_member(object, member->name)) return false;
            skip_space(&c);
            if (!take(&c, ':')) return false;
            skip_space(&c);
            if (!take_value(&c, member)) return false;
            object->count++;
            skip_space(&c);
        } while (take(&c, ','));
        if (!take(&c, '}')) return false;
    }
    skip_space(&c);
    return c.at == c.end;
}

const JsonMember *json_member(const JsonObject *object, const char *name) {
    for (size_t i = 0; i < object->count; i++)
        if (strcmp(object->members[i].name, name) == 0) return &object->members[i];
    return NULL;
}

static void add_bytes(Text *text, const char *bytes, size_t length) {
    if (text->failed) return;
    if (text->length + length + 1 > text->room) {
        size_t room = (text->length + length + 1) * 2;
        char *grown = realloc(text->bytes, room);
        if (!grown) {
            text->failed = true;
            return;
        }
        text->bytes = grown;
        text->room = room;
    }
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    text->bytes[text->length] = '\0';
}

void text_add(Text *text, const char *plain) { add_bytes(text, plain, strlen(plain)); }

void text_add_quoted(Text *text, const char *plain) {
    text_add(text, "\"");
    for (; *plain; plain++) {
        char escaped[8];
        if (*plain == '"' || *plain == '\\') {
            escaped[0] = '\\';
            escaped[1] = *plain;
            add_bytes(text, escaped, 2);
        } else if ((unsigned char)*plain < 0x20) {
            snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned char)*plain);
            text_add(text, escaped);
        } else {
            add_bytes(text, plain, 1);
        }
    }
    text_add(text, "\"");
}

void text_add_number(Text *text, double number) {
    char spelled[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(spelled, sizeof spelled, "%.*g", digits, number);
        if (strtod(spelled, NULL) == number) break;
    }
    text_add(text, spelled);
}
