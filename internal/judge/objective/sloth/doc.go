// Package sloth reads the service levels of Sloth: its own prometheus/v1 files and
// its Kubernetes resource, sloth.slok.dev/v1 PrometheusServiceLevel.
//
// What comes in is a document; out come drafts of objectives, one for each of its
// slos. Their names are what Sloth calls the ID, the service's and the
// objective's, and their alerts are the four that Sloth generates, with the names,
// labels and annotations that the file gives them. What has no field is kept in
// Extra, by its path in the words of prometheus/v1.
//
// It refuses indicators of plugins, which are Go code for Sloth alone, and warns
// of plugins that would change the rules that Sloth generates.
package sloth
