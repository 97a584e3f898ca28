/* An example action: POST /api/area; GET /healthz says that the service is up. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http.h"
#include "json.h"

static void area(const Request *request, Reply *reply) {
    JsonObject input;
    if (!json_read(request->body, request->length, &input)) {
        http_problem(request, reply, 400, "invalid_json", "请求体应为由数字与文本组成的 JSON 对象",
                     "the body must be a JSON object of numbers and text");
        return;
    }
    const JsonMember *length = json_member(&input, "length"), *width = json_member(&input, "width");
    if (!length || length->kind != JSON_NUMBER || !width || width->kind != JSON_NUMBER || input.count != 2) {
        http_problem(request, reply, 400, "input_rejected", "须且仅须给出数字 length 与 width",
                     "give the numbers length and width, and nothing else");
        return;
    }
    double result = length->number * width->number;
    if (length->number < 0 || width->number < 0 || !isfinite(result)) {
        http_problem(request, reply, 422, "refused", "长度与宽度不得为负，且面积须为有限数",
                     "neither may be negative, and the area must be finite");
        return;
    }
    Text text = {0};
    text_add(&text, "{\"area\":");
    text_add_number(&text, result);
    text_add(&text, "}");
    *reply = (Reply){text.failed ? 500 : 200, "application/json", text.bytes, text.failed ? 0 : text.length};
}

static void plain(Reply *reply, const char *text) {
    char *body = strdup(text);
    *reply = (Reply){body ? 200 : 500, "text/plain; charset=utf-8", body, body ? strlen(body) : 0};
}

static void handle(const Request *request, Reply *reply) {
    bool posts = strcmp(request->method, "POST") == 0;
    if (strcmp(request->path, "/healthz") == 0) plain(reply, "ok\n");
    else if (strcmp(request->path, "/api/area") == 0 && posts) area(request, reply);
    else if (strcmp(request->path, "/api/area") == 0)
        http_problem(request, reply, 405, "method_not_allowed", "请使用 POST", "use POST");
    else http_problem(request, reply, 404, "not_found", "没有此地址", "there is nothing at this address");
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
