// Package crashes has an init that panics.
package crashes

import "os"

func init() {
	if os.Getenv("CRASHES") != "" {
		panic("crashes in init")
	}
}
