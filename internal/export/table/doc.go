// Package table renders events as rows of a terminal table.
//
// What comes in are events; the columns follow from their schema: time,
// service, pid and duration, which all events have, then the fields with a
// column header, the one without a width last. A line below a row gives each
// finding.
//
// Data never drives the terminal: every byte that is not a printable character
// is shown in a quoted form.
package table
