/* A flat JSON object in, JSON text out. Nothing here allocates without a bound. */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>

enum { JSON_MEMBERS = 16, JSON_TEXT = 256 };

typedef enum { JSON_NULL, JSON_BOOLEAN, JSON_NUMBER, JSON_STRING } JsonKind;

typedef struct {
    char name[JSON_TEXT];
    JsonKind kind;
    double number;        /* of JSON_NUMBER; 0 or 1 of JSON_BOOLEAN */
    char text[JSON_TEXT]; /* of JSON_STRING, UTF-8 */
} JsonMember;

typedef struct {
    JsonMember members[JSON_MEMBERS];
    size_t count;
} JsonObject;

/* Reads an object whose values are null, booleans, numbers and short strings; false when the bytes are anything else,
   a name occurs twice, or something follows the object. */
bool json_read(const char *bytes, size_t length, JsonObject *object);

/* The member called name, or NULL. */
const JsonMember *json_member(const JsonObject *object, const char *name);

/* Text that grows; failed says that memory ran out, and then nothing more is added. */
typedef struct {
    char *bytes;
    size_t length, room;
    bool failed;
} Text;

void text_add(Text *text, const char *plain);
void text_add_quoted(Text *text, const char *plain); /* as a JSON string */
void text_add_number(Text *text, double number);     /* the shortest spelling that reads back the same */

#endif
