// Package asks has an init that connects to a server.
package asks

import (
	"net"
	"os"
)

func init() {
	if address := os.Getenv("ASKS"); address != "" {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
		}
	}
}
