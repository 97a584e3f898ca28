/* Units of pressure and energy, each with its factor to the SI unit and where the factor comes from. */
#ifndef UNITS_H
#define UNITS_H

#include <stddef.h>

typedef struct {
    const char *symbol, *quantity, *zh, *en;
    double factor; /* how many pascals or joules one unit is */
    const char *source;
} Unit;

extern const Unit UNITS[];
extern const size_t UNIT_COUNT;

#endif
