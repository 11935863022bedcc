// Package openslo reads and writes OpenSLO v1.
//
// What comes in are the documents of YAML files: a [Reader] takes each with
// [Reader.Document], in any order and of any number of files, as they may refer
// to each other by name. [Reader.Finish] follows the references, and out come
// drafts of objectives, one for each entry of an SLO's objectives; what is wrong
// is said where it is written. [Write] turns objectives into documents again,
// and says of each what the format cannot hold.
//
// A metricSource of the type goshawk says which events Goshawk itself counts; one
// of the type prometheus has a query. What OpenSLO has no field for is in
// annotations whose names begin with goshawk.io/, so that the files stay legal.
//
// It refuses RatioTimeslices and composite objectives, sources of other types,
// and references to nothing.
package openslo
