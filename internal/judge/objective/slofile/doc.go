// Package slofile reads files of objectives, whatever their format.
//
// What comes in are paths of files and folders, or what was read of them. Each
// document goes to the reader of its format, by what it says it is: OpenSLO v1,
// Sloth v1 or Pyrra. Objectives may refer to documents of other files; when all
// are read, their names are compared. What goes out is a [Set], or the errors of
// all files: file, line, column, field, cause and hint of each.
//
// It refuses half a set: with one error there is none.
package slofile
