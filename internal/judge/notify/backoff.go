package notify

import "time"

const (
	minBackoff = time.Second
	maxBackoff = 5 * time.Minute
	// maxRetryAfter bounds what a server may ask for.
	maxRetryAfter = 15 * time.Minute
)

// backoff returns how long to wait after so many failures in a row, at least
// one: from one second, doubled each time up to five minutes, of which random,
// at least 0 and below 1, takes away up to a half.
func backoff(failures int, random float64) time.Duration {
	d := maxBackoff
	if shift := failures - 1; shift < 10 {
		d = min(maxBackoff, minBackoff<<max(shift, 0))
	}
	return d - time.Duration(random*float64(d)/2)
}
