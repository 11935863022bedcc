// Package query is what all stores have to know of a query: which events it
// selects, in which order they come, and where the next page begins.
//
// What comes in is a [model.Query]; [New] checks it and prepares a [Filter],
// which judges events and reads and writes cursors. It keeps no events and
// does no I/O. It refuses a cursor that belongs to another query.
package query
