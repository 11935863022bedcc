// Package yamldoc reads YAML files strictly, and knows where each value stands.
//
// What comes in are paths of files and folders: [Read] reads each file whole and
// bounded. A [Reader] checks the text of one and splits it into documents; each
// is a [Value], whose methods read objects by a list of [Field]s, lists, texts
// and numbers. What goes out is what the callers' functions take from there, and
// [Errors]: all that is wrong, each with file, line, column and what would help.
//
// The package refuses to guess: unknown fields, keys that are there twice, values
// of another type are errors. It refuses files that are not regular, empty, too
// large or not UTF-8, and it stops where aliases blow a document up.
package yamldoc
