/* How a picture came to be, for people and as JSON. */
#ifndef DF_CLIENT_PROVENANCE_TELL_H
#define DF_CLIENT_PROVENANCE_TELL_H

#include "client/options.h"
#include "client/provenance/recipe.h"

void df_tell_recipe(const df_recipe *r, df_output output);

#endif
