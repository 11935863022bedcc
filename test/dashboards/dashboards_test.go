// Package dashboards keeps the dashboards of deploy/grafana right.
//
// What comes in are the files of that folder. The stages: read_test.go finds the
// queries of panels, variables and annotations, and fills in what Grafana would;
// store_test.go makes a store of what they are about: the series that the rules of
// package rules record of objectives of all kinds, and what the collectors of
// /metrics export, so that no name is written down here a second time. What goes out
// is whether each query has an answer, of the query engine that Goshawk has as a
// library and of Debian's Prometheus, and whether files are as Grafana reads them.
//
// It refuses a query of a series that nothing writes, even where the query as a
// whole has an answer without it.
package dashboards

import (
	"testing"

	"github.com/goshawk-io/goshawk/internal/testutil"
)

func TestMain(m *testing.M) { testutil.NoLeaks(m) }
