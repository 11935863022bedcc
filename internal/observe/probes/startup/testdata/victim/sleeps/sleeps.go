// Package sleeps has an init that sleeps.
package sleeps

import (
	"os"
	"time"
)

func init() {
	if os.Getenv("SLEEPS") != "" {
		time.Sleep(30 * time.Millisecond)
	}
}
