/* Built-in plans: JSON like any other, to begin from. `rung plan --preset NAME --json` prints one. */
#include "sweep/sweep.h"

#include <string.h>

const char *const preset_names[] = {"demo", "hour", "evening", NULL};

/* One depth a ladder, so that size means width alone; the rate at which seeds agree, not the highest one that still
 * learns (docs/guide.md, "Planning a ladder"). */
static const char *const preset_plans[] = {
    "{\n"
    "  \"name\": \"demo\",\n"
    "  \"_about\": \"five sizes, 12x in N, and 12x in D, for a lesson: ten minutes on two cores at most\",\n"
    "  \"context\": 256,\n"
    "  \"depth\": 2,\n"
    "  \"batch\": 2,\n"
    "  \"rate\": 4e-3,\n"
    "  \"horizons\": [1e6, 2.3e6, 5.4e6, 12.5e6],\n"
    "  \"rungs\": [\n"
    "    {\"width\": 32},\n"
    "    {\"width\": 48},\n"
    "    {\"width\": 64},\n"
    "    {\"width\": 80},\n"
    "    {\"width\": 112}\n"
    "  ]\n"
    "}\n",

    "{\n"
    "  \"name\": \"hour\",\n"
    "  \"_about\": \"six sizes, 25x in N, the small ones with several seeds: about an hour on two cores\",\n"
    "  \"context\": 256,\n"
    "  \"depth\": 3,\n"
    "  \"batch\": 2,\n"
    "  \"rate\": 4e-3,\n"
    "  \"horizons\": [1e6, 2e6, 4e6, 8e6, 16e6],\n"
    "  \"rungs\": [\n"
    "    {\"width\": 32, \"seeds\": [1, 2, 3]},\n"
    "    {\"width\": 48, \"seeds\": [1, 2, 3]},\n"
    "    {\"width\": 64, \"seeds\": [1, 2]},\n"
    "    {\"width\": 96, \"seeds\": [1, 2]},\n"
    "    {\"width\": 128},\n"
    "    {\"width\": 160, \"batch\": 4}\n"
    "  ]\n"
    "}\n",

    "{\n"
    "  \"name\": \"evening\",\n"
    "  \"_about\": \"seven sizes, 50x in N, two seeds or more but for the largest: a few hours on two cores\",\n"
    "  \"context\": 256,\n"
    "  \"depth\": 4,\n"
    "  \"batch\": 2,\n"
    "  \"rate\": 4e-3,\n"
    "  \"horizons\": [1e6, 2e6, 4e6, 8e6, 16e6],\n"
    "  \"rungs\": [\n"
    "    {\"width\": 32, \"seeds\": [1, 2, 3]},\n"
    "    {\"width\": 48, \"seeds\": [1, 2, 3]},\n"
    "    {\"width\": 64, \"seeds\": [1, 2, 3]},\n"
    "    {\"width\": 96, \"seeds\": [1, 2]},\n"
    "    {\"width\": 128, \"seeds\": [1, 2]},\n"
    "    {\"width\": 160, \"batch\": 4, \"seeds\": [1, 2]},\n"
    "    {\"width\": 224, \"batch\": 4}\n"
    "  ]\n"
    "}\n",
};

const char *preset_json(const char *name) {
	for (size_t i = 0; preset_names[i]; i++)
		if (strcmp(name, preset_names[i]) == 0) return preset_plans[i];
	return NULL;
}
