/* Built-in plans: JSON like any other, to begin from. `rung plan --preset NAME --json` prints one. */
#include "sweep/sweep.h"

#include <string.h>

const char *const preset_names[] = {"demo", "hour", "evening", NULL};

/* Small models want small batches and short horizons want higher rates (see docs/plan.md, "Choosing the numbers"). */
static const char *const preset_plans[] = {
    "{\n"
    "  \"name\": \"demo\",\n"
    "  \"_about\": \"five sizes, 32x in N, for a lesson: ten minutes on two cores at most\",\n"
    "  \"context\": 256,\n"
    "  \"batch\": 2,\n"
    "  \"rate\": 8e-3,\n"
    "  \"horizons\": [500e3, 1e6, 2e6, 4e6, 8e6],\n"
    "  \"rungs\": [\n"
    "    {\"width\": 16, \"depth\": 2},\n"
    "    {\"width\": 32, \"depth\": 2},\n"
    "    {\"width\": 32, \"depth\": 3},\n"
    "    {\"width\": 48, \"depth\": 3},\n"
    "    {\"width\": 64, \"depth\": 4}\n"
    "  ]\n"
    "}\n",

    "{\n"
    "  \"name\": \"hour\",\n"
    "  \"_about\": \"seven sizes, 72x in N, some of them with several seeds: less than an hour on two cores\",\n"
    "  \"context\": 256,\n"
    "  \"batch\": 2,\n"
    "  \"rate\": 8e-3,\n"
    "  \"horizons\": [500e3, 1e6, 2e6, 4e6, 8e6, 16e6],\n"
    "  \"rungs\": [\n"
    "    {\"width\": 16, \"depth\": 2, \"seeds\": [1, 2, 3]},\n"
    "    {\"width\": 32, \"depth\": 2, \"seeds\": [1, 2, 3]},\n"
    "    {\"width\": 32, \"depth\": 3, \"seeds\": [1, 2]},\n"
    "    {\"width\": 48, \"depth\": 3, \"seeds\": [1, 2]},\n"
    "    {\"width\": 64, \"depth\": 4, \"seeds\": [1, 2]},\n"
    "    {\"width\": 80, \"depth\": 4},\n"
    "    {\"width\": 96, \"depth\": 4, \"batch\": 4}\n"
    "  ]\n"
    "}\n",

    "{\n"
    "  \"name\": \"evening\",\n"
    "  \"_about\": \"eight sizes, 360x in N, several seeds: about three hours on two cores\",\n"
    "  \"context\": 256,\n"
    "  \"batch\": 2,\n"
    "  \"rate\": 8e-3,\n"
    "  \"horizons\": [500e3, 1e6, 2e6, 4e6, 8e6, 16e6],\n"
    "  \"rungs\": [\n"
    "    {\"width\": 16, \"depth\": 2, \"seeds\": [1, 2, 3]},\n"
    "    {\"width\": 32, \"depth\": 2, \"seeds\": [1, 2, 3]},\n"
    "    {\"width\": 32, \"depth\": 3, \"seeds\": [1, 2, 3]},\n"
    "    {\"width\": 48, \"depth\": 3, \"seeds\": [1, 2, 3]},\n"
    "    {\"width\": 64, \"depth\": 4, \"seeds\": [1, 2, 3]},\n"
    "    {\"width\": 96, \"depth\": 4, \"batch\": 4, \"seeds\": [1, 2]},\n"
    "    {\"width\": 128, \"depth\": 5, \"batch\": 4},\n"
    "    {\"width\": 192, \"depth\": 5, \"batch\": 4}\n"
    "  ]\n"
    "}\n",
};

const char *preset_json(const char *name) {
	for (size_t i = 0; preset_names[i]; i++)
		if (strcmp(name, preset_names[i]) == 0) return preset_plans[i];
	return NULL;
}
