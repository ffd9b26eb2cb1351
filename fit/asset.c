/* asset.c - the page's parts, taken into the program by the assembler so that one binary is all a user needs. */
#include "fit/report.h"

#ifndef CHART_JS
#error "CHART_JS must be the path of chart.min.js (Debian package libjs-chart.js); the Makefile sets it"
#endif

#define EMBED(symbol, path)                                                                                            \
	__asm__(".pushsection .rodata\n"                                                                                   \
	        ".global " #symbol "\n" #symbol ":\n"                                                                      \
	        ".incbin \"" path "\"\n"                                                                                   \
	        ".global " #symbol "_end\n" #symbol "_end:\n"                                                              \
	        ".byte 0\n"                                                                                                \
	        ".popsection\n");                                                                                          \
	extern const char symbol[], symbol##_end[]

EMBED(asset_page_html, "fit/page.html");
EMBED(asset_page_css, "fit/page.css");
EMBED(asset_page_js, "fit/page.js");
EMBED(asset_page_charts, "fit/page.charts.js");
EMBED(asset_page_figures, "fit/page.figures.js");
EMBED(asset_chart_js, CHART_JS);

struct asset asset_get(enum asset_name name) {
#define BETWEEN(symbol)                                                                                                \
	(struct asset) {                                                                                                   \
		symbol, (size_t)((uintptr_t)symbol##_end - (uintptr_t)symbol)                                                  \
	}
	switch (name) {
	case ASSET_PAGE_HTML:
		return BETWEEN(asset_page_html);
	case ASSET_PAGE_CSS:
		return BETWEEN(asset_page_css);
	case ASSET_PAGE_JS:
		return BETWEEN(asset_page_js);
	case ASSET_PAGE_CHARTS:
		return BETWEEN(asset_page_charts);
	case ASSET_PAGE_FIGURES:
		return BETWEEN(asset_page_figures);
	case ASSET_CHART_JS:
		break;
	}
	return BETWEEN(asset_chart_js);
#undef BETWEEN
}
