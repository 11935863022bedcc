package remotewrite

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The headers of requests and answers.
const (
	versionHeader  = "X-Prometheus-Remote-Write-Version"
	writtenHeader  = "X-Prometheus-Remote-Write-Samples-Written"
	contentTypeV1  = "application/x-protobuf"
	contentTypeV2  = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
	maxRetryAfter  = 15 * time.Minute
	maxShownAnswer = 300
)

// headers returns those of a request of a version.
func headers(v Protocol) http.Header {
	h := http.Header{"Content-Encoding": {"snappy"}, "Content-Type": {contentTypeV2}, versionHeader: {"2.0.0"}}
	if v == V1 {
		h["Content-Type"], h[versionHeader] = []string{contentTypeV1}, []string{"0.1.0"}
	}
	return h
}

// verdict is what is to be done about a request.
type verdict int

const (
	// accepted: its samples need not be sent again, but some may be dropped.
	accepted verdict = iota
	// failed: try it again.
	failed
	// unknown: the receiver does not know the version.
	unknown
	// tooLarge: try a part of it.
	tooLarge
	// disliked: the receiver does not say which samples it does not like.
	disliked
	// refused: it makes no sense to send these samples again.
	refused
)

// outcome is what became of a request.
type outcome struct {
	verdict verdict
	// dropped is how many samples of an accepted request are not written.
	dropped int
	// retryAfter is what the receiver asked for, 0 for nothing.
	retryAfter time.Duration
	// err is nil when all was written.
	err error
}

// judge says what an answer to a request with so many samples means.
func judge(v Protocol, r *http.Response, samples int, now time.Time) outcome {
	written, said := -1, false
	if v == V2 {
		n, err := strconv.Atoi(r.Header.Get(writtenHeader))
		if said = err == nil && n >= 0; said {
			written = min(n, samples)
		}
	}
	good := r.StatusCode >= 200 && r.StatusCode < 300
	if good && (v == V1 || written == samples) {
		return outcome{}
	}
	o := outcome{verdict: refused, err: answerError(r)}
	switch code := r.StatusCode; {
	case good && !said:
		// To one that knows version 1 alone the request looks empty.
		o.verdict, o.err = unknown, errors.New("does not say how many samples it has written, as version 2.0 wants it")
	case good:
		o.verdict, o.dropped = accepted, samples-written
		o.err = fmt.Errorf("has written %d samples of %d", written, samples)
	case code == http.StatusRequestTimeout, code == http.StatusTooManyRequests, code >= 500, code < 400:
		o.verdict, o.retryAfter = failed, retryAfter(r.Header.Get("Retry-After"), now)
	case code == http.StatusUnauthorized, code == http.StatusForbidden, code == http.StatusNotFound:
		// The specification has them be final. But it is the receiver or its address that
		// somebody will put right, not the samples, which are kept as long.
		o.verdict = failed
	case code == http.StatusRequestEntityTooLarge:
		o.verdict = tooLarge
	case v == V2 && code == http.StatusUnsupportedMediaType:
		o.verdict = unknown
	case said:
		o.verdict, o.dropped = accepted, samples-written
	case code == http.StatusBadRequest:
		o.verdict = disliked
	}
	return o
}

// answerError says what was answered.
func answerError(r *http.Response) error {
	text := fmt.Sprintf("answered %d %s", r.StatusCode, http.StatusText(r.StatusCode))
	if r.Body != nil {
		answer, _ := io.ReadAll(io.LimitReader(r.Body, maxShownAnswer+1))
		if shown := strings.TrimSpace(string(answer[:min(len(answer), maxShownAnswer)])); shown != "" {
			text += ": " + strconv.Quote(shown)
		}
	}
	return errors.New(text)
}

// retryAfter reads seconds or a date, 0 for what is neither.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 32); err == nil {
		return min(maxRetryAfter, time.Duration(seconds)*time.Second)
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(maxRetryAfter, max(0, at.Sub(now)))
	}
	return 0
}
