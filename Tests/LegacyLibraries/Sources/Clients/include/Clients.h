#ifndef CLIENTS_H
#define CLIENTS_H

// Clients of C libraries, written as in any program that blocks. They know nothing of Tandem, and get the addresses of the servers from
// the environment.

// Waits for a server, which takes `milliseconds` to answer, and checks its answer. Returns the text of an error, to be freed, or NULL.
typedef char *client_function(int milliseconds);

struct client {
    const char *name;
    int milliseconds;
    client_function *run;
};

// Returns NULL after the last one.
const struct client *client_at(unsigned index);

// Initializes the libraries that require it before the first thread uses them.
void prepare_libraries(void);

// Lets getopt(3) begin with the first argument, as in a new process.
void restart_getopt(void);

#endif
