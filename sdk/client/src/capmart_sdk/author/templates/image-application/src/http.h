/* A small HTTP/1.1 server for one service: keep-alive, bounded heads, bodies, connections and waiting times. */
#ifndef HTTP_H
#define HTTP_H

#include <stdbool.h>
#include <stddef.h>

enum {
    HTTP_HEAD_BYTES = 8 * 1024,
    HTTP_BODY_BYTES = 64 * 1024,
    HTTP_CONNECTIONS = 16,
    HTTP_SECONDS = 10, /* for one whole request to arrive */
};

typedef struct {
    const char *method, *path; /* the path without its query */
    const char *body;
    size_t length;
    bool chinese; /* Accept-Language begins with zh */
} Request;

typedef struct {
    int status;
    const char *type; /* media type */
    char *body;       /* allocated; freed by the server */
    size_t length;
} Reply;

typedef void (*Handler)(const Request *request, Reply *reply);

/* Answers with a problem document (RFC 9457) that has the reason in both languages. */
void http_problem(const Request *request, Reply *reply, int status, const char *code, const char *zh, const char *en);

/* Serves on the loopback address until the process ends; returns only when the port cannot be had. */
int http_serve(int port, Handler handler);

#endif
