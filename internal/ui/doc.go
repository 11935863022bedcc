// Package ui serves the pages that people look at.
//
// What comes in: requests for pages, and, through the client of API v1 alone,
// the wire types of that API. The stages: a page's URL is its filter (the
// parameters of API v1 and nothing else); pure functions turn wire types into
// views (a table, a time chart, a heatmap, a waterfall, a stack); templates
// render views and decide nothing. What goes out: HTML that is whole without a
// script, in which scripts then bring charts, zoom and live updates; a block of
// a page when htmx asks for one; or the page as one file to keep.
//
// It refuses to reach beyond its own address: no page, style or script names
// another host, and the Content-Security-Policy says so to the browser. It
// never shows a command's environment.
package ui
