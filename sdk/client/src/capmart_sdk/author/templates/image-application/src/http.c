#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "json.h"

typedef struct {
    int socket;
    char bytes[HTTP_HEAD_BYTES + HTTP_BODY_BYTES + 1];
    size_t length; /* bytes received and not yet consumed */
} Connection;

static Handler answer;
static atomic_int open_connections;

static const char *phrase(int status) {
    switch (status) {
        case 200: return "OK";
        case 400: return "Bad Request";
        case 404: return "Not Found";
        case 405: return "Method Not Allowed";
        case 411: return "Length Required";
        case 413: return "Content Too Large";
        case 422: return "Unprocessable Content";
        case 431: return "Request Header Fields Too Large";
        case 503: return "Service Unavailable";
        default: return "Internal Server Error";
    }
}

void http_problem(const Request *request, Reply *reply, int status, const char *code, const char *zh, const char *en) {
    Text text = {0};
    char number[16];
    snprintf(number, sizeof number, "%d", status);
    text_add(&text, "{\"type\":\"about:blank\",\"title\":");
    text_add_quoted(&text, phrase(status));
    text_add(&text, ",\"status\":");
    text_add(&text, number);
    text_add(&text, ",\"code\":");
    text_add_quoted(&text, code);
    text_add(&text, ",\"detail\":");
    text_add_quoted(&text, request->chinese ? zh : en);
    text_add(&text, ",\"zh\":");
    text_add_quoted(&text, zh);
    text_add(&text, ",\"en\":");
    text_add_quoted(&text, en);
    text_add(&text, "}");
    *reply = (Reply){status, "application/problem+json", text.bytes, text.failed ? 0 : text.length};
}

static bool send_all(int socket, const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t sent = send(socket, bytes, length, MSG_NOSIGNAL);
        if (sent <= 0) return false;
        bytes += sent;
        length -= (size_t)sent;
    }
    return true;
}

static bool send_reply(int socket, Reply *reply, bool head_only, bool keep) {
    char head[512];
    int head_length = snprintf(head, sizeof head,
                               "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                               "X-Content-Type-Options: nosniff\r\nContent-Security-Policy: default-src 'self'\r\n"
                               "Cache-Control: no-cache\r\nConnection: %s\r\n\r\n",
                               reply->status, phrase(reply->status), reply->type, reply->length,
                               keep ? "keep-alive" : "close");
    size_t body = head_only ? 0 : reply->length;
    char *whole = malloc((size_t)head_length + body + 1); /* one segment: two writes would wait for an acknowledgement */
    bool sent = false;
    if (whole) {
        memcpy(whole, head, (size_t)head_length);
        if (body) memcpy(whole + head_length, reply->body, body);
        sent = send_all(socket, whole, (size_t)head_length + body);
    }
    free(whole);
    free(reply->body);
    reply->body = NULL;
    return sent;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Receives until wanted bytes are there; false at the deadline or when the other side is gone. */
static bool receive(Connection *c, size_t wanted, double deadline) {
    while (c->length < wanted) {
        double left = deadline - now();
        if (left <= 0) return false;
        struct timeval timeout = {(time_t)left, (suseconds_t)((left - (double)(time_t)left) * 1e6) + 1};
        setsockopt(c->socket, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
        ssize_t got = recv(c->socket, c->bytes + c->length, sizeof c->bytes - 1 - c->length, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        c->length += (size_t)got;
    }
    return true;
}

/* Receives a request's head and returns its length with the empty line; 0 when the other side is gone, -1 when too long. */
static long receive_head(Connection *c, double deadline) {
    size_t seen = 0;
    for (;;) {
        for (size_t i = seen > 3 ? seen - 3 : 0; i + 4 <= c->length; i++)
            if (memcmp(c->bytes + i, "\r\n\r\n", 4) == 0) return i + 4 > HTTP_HEAD_BYTES ? -1 : (long)(i + 4);
        if (c->length > HTTP_HEAD_BYTES) return -1;
        seen = c->length;
        if (!receive(c, c->length + 1, deadline)) return 0;
    }
}

/* The value of a header in a head whose lines end in NUL; NULL when it is not there. */
static const char *header(const char *line, const char *end, const char *name) {
    size_t length = strlen(name);
    for (; line < end; line += strlen(line) + 2) {
        if (strncasecmp(line, name, length) == 0 && line[length] == ':') {
            line += length + 1;
            return line + strspn(line, " \t");
        }
    }
    return NULL;
}

static bool fail(Connection *c, const Request *request, int status, const char *code, const char *zh, const char *en) {
    Reply reply;
    http_problem(request, &reply, status, code, zh, en);
    send_reply(c->socket, &reply, false, false);
    return false;
}

static bool read_length(const char *spelled, size_t *length) {
    size_t digits = spelled ? strspn(spelled, "0123456789") : 0;
    if (digits == 0 || spelled[digits] != '\0') return false;
    *length = digits > 9 ? HTTP_BODY_BYTES + 1 : (size_t)strtoul(spelled, NULL, 10);
    return true;
}

/* Answers one request; false when the connection is over. */
static bool serve_one(Connection *c) {
    Request request = {"", "", "", 0, false};
    double deadline = now() + HTTP_SECONDS;
    long head = receive_head(c, deadline);
    if (head == 0) return false;
    if (head < 0) return fail(c, &request, 431, "too_large", "请求头过大", "the request's head is too large");
    for (long i = 0; i < head; i++) {
        if (c->bytes[i] == '\0') return fail(c, &request, 400, "bad_request", "请求有误", "the request is malformed");
        if (c->bytes[i] == '\r' && c->bytes[i + 1] == '\n') c->bytes[i] = '\0';
    }
    char *end = c->bytes + head - 2, *headers = c->bytes + strlen(c->bytes) + 2;
    char *path = strchr(c->bytes, ' '), *version = path ? strchr(path + 1, ' ') : NULL;
    if (!version || strncmp(version + 1, "HTTP/1.", 7) != 0)
        return fail(c, &request, 400, "bad_request", "请求有误", "the request is malformed");
    *path++ = '\0';
    *version++ = '\0';
    path[strcspn(path, "?")] = '\0';
    request.method = c->bytes;
    request.path = path;
    const char *language = header(headers, end, "Accept-Language");
    request.chinese = language && strncasecmp(language, "zh", 2) == 0;
    const char *connection = header(headers, end, "Connection");
    bool keep = strcmp(version, "HTTP/1.0") != 0 && !(connection && strcasecmp(connection, "close") == 0);
    const char *spelled = header(headers, end, "Content-Length");
    bool posts = strcmp(request.method, "POST") == 0;
    if (header(headers, end, "Transfer-Encoding") || ((posts || spelled) && !read_length(spelled, &request.length)))
        return fail(c, &request, 411, "length_required", "须给出 Content-Length", "send a Content-Length");
    if (request.length > HTTP_BODY_BYTES)
        return fail(c, &request, 413, "too_large", "请求体过大", "the body is too large");
    if (!receive(c, (size_t)head + request.length, deadline)) return false;
    request.body = c->bytes + head;
    Reply reply = {500, "text/plain", NULL, 0};
    answer(&request, &reply);
    if (!send_reply(c->socket, &reply, strcmp(request.method, "HEAD") == 0, keep)) return false;
    size_t used = (size_t)head + request.length;
    memmove(c->bytes, c->bytes + used, c->length - used);
    c->length -= used;
    return keep;
}

static void *serve_connection(void *given) {
    Connection *c = given;
    while (serve_one(c)) {
    }
    shutdown(c->socket, SHUT_RDWR);
    close(c->socket);
    free(c);
    atomic_fetch_sub(&open_connections, 1);
    return NULL;
}

static void accept_one(int listener) {
    int socket = accept(listener, NULL, NULL);
    if (socket < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) usleep(50000);
        return;
    }
    int yes = 1;
    struct timeval timeout = {HTTP_SECONDS, 0};
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    Connection *c = calloc(1, sizeof *c);
    pthread_t thread;
    if (atomic_fetch_add(&open_connections, 1) < HTTP_CONNECTIONS && c) {
        c->socket = socket;
        if (pthread_create(&thread, NULL, serve_connection, c) == 0) {
            pthread_detach(thread);
            return;
        }
    }
    static const char busy[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    send_all(socket, busy, sizeof busy - 1);
    close(socket);
    free(c);
    atomic_fetch_sub(&open_connections, 1);
}

int http_serve(int port, Handler handler) {
    signal(SIGPIPE, SIG_IGN);
    answer = handler;
    int listener = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 64) != 0) {
        perror("listen");
        return 1;
    }
    for (;;) accept_one(listener);
}
