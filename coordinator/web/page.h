/* The files of the web page, put into the program when it is built (web/index.html, page.css, page.js). */
#ifndef DF_COORDINATOR_WEB_PAGE_H
#define DF_COORDINATOR_WEB_PAGE_H

#include <stddef.h>

extern const unsigned char df_web_index_html[], df_web_page_css[], df_web_page_js[];
extern const size_t df_web_index_html_bytes, df_web_page_css_bytes, df_web_page_js_bytes;

#endif
