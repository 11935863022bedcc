// Command genoffsets writes the tables of what differs between releases of Go
// and of modules: the offsets of fields in structs, and the numbers of the
// function classes that decide what a stack shows.
//
// What comes in: the list of wanted fields (fields.txt), and the versions to
// measure (versions.txt): toolchains, and modules. The versions are pinned, so
// that the output stays the same when a new one is published; -update adds what
// was published since.
//
// The stages: toolchains and modules that are missing are downloaded; of their
// sources, the declarations that the wanted structs need are cut out and
// type-checked for linux/amd64 and linux/arm64 with the sizes of the Go
// compiler; equal neighbours are collapsed into ranges. Nothing is built or
// run. A struct of a module is measured with the oldest and the newest release
// of Go that the module admits, and with the oldest and the newest version of
// what it takes from other modules.
//
// What goes out: two Go files (zreleases.go, zfields.go), the same for the same
// input. It takes ten seconds when everything is downloaded, and four minutes
// and 6 GB of disk when nothing is: 15 toolchains, 230 versions of modules.
//
// What it refuses: a wanted field that no version has, and a field whose offset
// depends on more than the version: on the architecture, on cgo, on the race
// detector or its like, on an experiment of Go, on the version of another
// module.
package main
