/* Converts between units of pressure and of energy: POST /api/convert, POST /api/units, GET /healthz. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http.h"
#include "json.h"
#include "units.h"

static const Unit *find_unit(const char *symbol) {
    for (size_t i = 0; i < UNIT_COUNT; i++)
        if (strcmp(UNITS[i].symbol, symbol) == 0) return &UNITS[i];
    return NULL;
}

static void finish(Reply *reply, Text *text) {
    *reply = (Reply){text->failed ? 500 : 200, "application/json", text->bytes, text->failed ? 0 : text->length};
}

static void unknown_unit(const Request *request, Reply *reply, const char *symbol) {
    Text zh = {0}, en = {0};
    text_add(&zh, "没有单位 ");
    text_add(&zh, symbol);
    text_add(&en, "there is no unit ");
    text_add(&en, symbol);
    for (size_t i = 0; i < UNIT_COUNT; i++) {
        text_add(&zh, i ? "、" : "；可用：");
        text_add(&zh, UNITS[i].symbol);
        text_add(&en, i ? ", " : "; there are ");
        text_add(&en, UNITS[i].symbol);
    }
    if (zh.failed || en.failed) http_problem(request, reply, 500, "failed", "内存不足", "out of memory");
    else http_problem(request, reply, 422, "refused", zh.bytes, en.bytes);
    free(zh.bytes);
    free(en.bytes);
}

static void convert(const Request *request, Reply *reply) {
    JsonObject input;
    if (!json_read(request->body, request->length, &input)) {
        http_problem(request, reply, 400, "invalid_json", "请求体应为由数字与文本组成的 JSON 对象",
                     "the body must be a JSON object of numbers and text");
        return;
    }
    const JsonMember *value = json_member(&input, "value");
    const JsonMember *from = json_member(&input, "from"), *to = json_member(&input, "to");
    if (!value || value->kind != JSON_NUMBER || !from || from->kind != JSON_STRING || !to || to->kind != JSON_STRING ||
        input.count != 3) {
        http_problem(request, reply, 400, "input_rejected", "须且仅须给出数字 value 与文本 from、to",
                     "give the number value and the texts from and to, and nothing else");
        return;
    }
    const Unit *source = find_unit(from->text), *target = find_unit(to->text);
    if (!source || !target) {
        unknown_unit(request, reply, source ? to->text : from->text);
        return;
    }
    if (strcmp(source->quantity, target->quantity) != 0) {
        http_problem(request, reply, 422, "refused", "压力单位与能量单位不能互换",
                     "a unit of pressure cannot become a unit of energy");
        return;
    }
    double factor = source->factor / target->factor, result = value->number * source->factor / target->factor;
    if (!isfinite(result)) {
        http_problem(request, reply, 422, "refused", "结果过大", "the result is too large");
        return;
    }
    Text text = {0};
    text_add(&text, "{\"value\":");
    text_add_number(&text, result);
    text_add(&text, ",\"unit\":");
    text_add_quoted(&text, target->symbol);
    text_add(&text, ",\"quantity\":");
    text_add_quoted(&text, source->quantity);
    text_add(&text, ",\"factor\":");
    text_add_number(&text, factor);
    text_add(&text, ",\"sources\":[");
    text_add_quoted(&text, source->source);
    text_add(&text, ",");
    text_add_quoted(&text, target->source);
    text_add(&text, "]}");
    finish(reply, &text);
}

static void list_units(Reply *reply) {
    Text text = {0};
    for (size_t i = 0; i < UNIT_COUNT; i++) {
        const char *fields[][2] = {{"symbol", UNITS[i].symbol}, {"quantity", UNITS[i].quantity}, {"zh", UNITS[i].zh},
                                   {"en", UNITS[i].en},         {"source", UNITS[i].source}};
        text_add(&text, i ? ",{" : "[{");
        for (size_t j = 0; j < sizeof fields / sizeof fields[0]; j++) {
            text_add_quoted(&text, fields[j][0]);
            text_add(&text, ":");
            text_add_quoted(&text, fields[j][1]);
            text_add(&text, ",");
        }
        text_add(&text, "\"factor\":");
        text_add_number(&text, UNITS[i].factor);
        text_add(&text, "}");
    }
    text_add(&text, "]");
    finish(reply, &text);
}

static void handle(const Request *request, Reply *reply) {
    bool posts = strcmp(request->method, "POST") == 0;
    bool reads = strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
    bool converts = strcmp(request->path, "/api/convert") == 0, lists = strcmp(request->path, "/api/units") == 0;
    if (reads && strcmp(request->path, "/healthz") == 0) {
        char *body = strdup("ok\n");
        *reply = (Reply){body ? 200 : 500, "text/plain; charset=utf-8", body, body ? strlen(body) : 0};
    } else if (converts && posts) {
        convert(request, reply);
    } else if (lists && posts) {
        list_units(reply);
    } else if (converts || lists) {
        http_problem(request, reply, 405, "method_not_allowed", "请使用 POST", "use POST");
    } else {
        http_problem(request, reply, 404, "not_found", "没有此地址", "there is nothing at this address");
    }
}

int main(void) {
    const char *port = getenv("CAPMART_PORT");
    int number = atoi(port ? port : "8080");
    if (number < 1 || number > 65535) {
        fputs("CAPMART_PORT must be 1 to 65535 / CAPMART_PORT 应为 1 至 65535\n", stderr);
        return 2;
    }
    return http_serve(number, handle);
}
