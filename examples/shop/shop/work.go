package shop

import (
	"os/exec"
	"slices"
)

// work is a piece of work that runs commands, or connects to another service: a
// method of shop of this name.
type work struct {
	name string
	// tools are the commands that it needs.
	tools []string
	// processes is how many it has alive at once, at most.
	processes int
	// limit is how often it may be at work at once.
	limit int
}

// allWork returns every piece of work.
func allWork() []work {
	return []work{
		{"applyCoupon", []string{"grep"}, 1, 4},
		{"askCourier", []string{"sleep"}, 1, 2},
		{"askCustoms", nil, 0, 2},
		{"askWarehouse", []string{"sleep"}, 1, 2},
		{"bookPayment", nil, 0, 4},
		{"checkStock", []string{"cat"}, 1, 4},
		{"exportReport", []string{"seq"}, 1, 1},
		{"gitRevision", []string{"git"}, 1, 2},
		{"greetCustomer", []string{"printf"}, 1, 2},
		{"indexDescription", []string{"printf"}, 1, 2},
		{"makeThumbnail", nil, 1, 2},
		{"packParcel", []string{"env", "nice", "sh", "wc", "cut", "sort", "uniq"}, 4, 1},
		{"printLabel", nil, 1, 2},
		{"queueMail", []string{"cat", "sh"}, 2, 1},
		{"renderInvoice", []string{"gzip"}, 1, 2},
		{"resizeImage", []string{"gzip"}, 1, 1},
		{"signReceipt", []string{"sha256sum"}, 1, 2},
		{"topSellers", []string{"sh", "cut", "sort", "uniq", "tail"}, 6, 1},
		{"verifyBackup", []string{"sha256sum"}, 1, 1},
		{"warmCache", []string{"cat"}, 1, 2},
	}
}

// missing returns the tools of w that are not among those found.
func (w work) missing(found map[string]string) []string {
	return slices.DeleteFunc(slices.Clone(w.tools), func(name string) bool { return found[name] != "" })
}

// findTools looks up each command that works need once and returns the paths
// of those that the host has, by name.
func findTools(works []work) map[string]string {
	found := make(map[string]string)
	for _, w := range works {
		for _, name := range w.tools {
			if _, ok := found[name]; ok {
				continue
			}
			// An error that comes with a path is about a relative one.
			path, err := exec.LookPath(name)
			if err != nil {
				path = ""
			}
			found[name] = path
		}
	}
	return found
}
