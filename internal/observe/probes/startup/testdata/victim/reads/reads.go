// Package reads has an init that opens many files.
package reads

import "os"

func init() {
	if os.Getenv("READS") == "" {
		return
	}
	for i := 0; i < 30; i++ {
		if f, err := os.Open("/etc/hostname"); err == nil {
			f.Close()
		}
	}
}
