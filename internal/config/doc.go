// Package config reads what the agent is to do from YAML files, and follows
// them while the agent runs.
//
// What comes in are paths of files and folders. [Load] reads each file whole
// and bounded and splits it into documents, by package yamldoc, finds the kind
// of each in the list of [kinds], and decodes its spec by the list of that
// kind's fields, which docs/configuration.md and [Example] follow as well. Out
// comes a [Config], which never changes, or [Errors]: everything that is wrong,
// each with file, line, column and what would help.
//
// A [Watcher] loads again when the files change or when it is told to, and
// calls an [Applier] for each resource that is not as it was. A configuration
// with an error is refused as a whole: the one before stays in force, and
// [Status] says so.
//
// The package refuses to guess: unknown fields, duplicate keys, values of
// another type and names of nothing are errors. It refuses files that are not
// regular, empty, too large or not UTF-8. It knows no probe: those that there
// are, and what they can be told, are an argument.
package config
