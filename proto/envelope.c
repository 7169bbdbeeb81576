#include "proto/envelope.h"
