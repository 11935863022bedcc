package v1

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

// ParameterError says which parameter of a request cannot be used, and why.
type ParameterError struct {
	// Parameter is the name, Value what was given.
	Parameter, Value string
	// Cause completes the sentence "the value ...".
	Cause string
	// Hint says what to write.
	Hint string
}

// Error names the parameter, the value and the cause.
func (e *ParameterError) Error() string {
	return fmt.Sprintf("parameter %s=%q: %s", e.Parameter, clip(e.Value, 100), e.Cause)
}

// clip shortens s to about n bytes.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}

// parameter is one parameter of a query of type Q, and how its value is read.
type parameter[Q any] struct {
	name string
	set  func(q *Q, value string) *ParameterError
}

func names[Q any](parameters []parameter[Q]) []string {
	var list []string
	for _, p := range parameters {
		list = append(list, p.name)
	}
	return list
}

func without[Q any](parameters []parameter[Q], left ...string) []parameter[Q] {
	return slices.DeleteFunc(parameters, func(p parameter[Q]) bool { return slices.Contains(left, p.name) })
}

// parse reads values in the order of their names, so that of two bad ones the
// same is reported each time.
func parse[Q any](q *Q, values url.Values, parameters []parameter[Q]) error {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		i := slices.IndexFunc(parameters, func(p parameter[Q]) bool { return p.name == name })
		given := slices.DeleteFunc(slices.Clone(values[name]), func(s string) bool { return s == "" })
		switch {
		case i < 0:
			return &ParameterError{name, strings.Join(values[name], " "), "there is no such parameter here", "the parameters are " + strings.Join(names(parameters), ", ")}
		case len(given) > 1 && name != "where":
			return &ParameterError{name, given[1], "is given twice", "give " + name + " once"}
		}
		for _, value := range given {
			if err := parameters[i].set(q, value); err != nil {
				err.Parameter, err.Value = name, value
				return err
			}
		}
	}
	return nil
}

func setText(to *string, s string) *ParameterError {
	const longest = 4096
	if len(s) > longest {
		return &ParameterError{Cause: fmt.Sprintf("is longer than %d bytes", longest), Hint: "ask for a part of it"}
	}
	*to = s
	return nil
}

func setPID(to *int32, s string) *ParameterError {
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n < 1 {
		return &ParameterError{Cause: "is not a process id", Hint: "write a whole number from 1, such as 4711"}
	}
	*to = int32(n)
	return nil
}

func setMoment(to *Moment, s string) *ParameterError {
	m, err := ParseMoment(s)
	if err != nil {
		return &ParameterError{Cause: err.Error(), Hint: "write a time such as 2026-11-21T20:00:00Z (a + in a URL is %2B), or a duration before now such as -1h30m"}
	}
	*to = m
	return nil
}

func addMatch(to *[]Match, s string) *ParameterError {
	key, value, ok := strings.Cut(s, "=")
	switch {
	case !ok:
		return &ParameterError{Cause: "has no equals sign", Hint: "write key=value, such as where=goshawk.exec.outcome=failed"}
	case key == "":
		return &ParameterError{Cause: "has no key before the equals sign", Hint: "write key=value, such as where=goshawk.exec.outcome=failed"}
	case len(*to) == MaxWhere:
		return &ParameterError{Cause: fmt.Sprintf("is one too many, the most are %d", MaxWhere), Hint: "ask for fewer attributes"}
	}
	*to = append(*to, Match{key, value})
	return nil
}

func setBool(to *bool, s string) *ParameterError {
	if s != "true" && s != "false" {
		return &ParameterError{Cause: "is neither true nor false", Hint: "write true, or leave it out"}
	}
	*to = s == "true"
	return nil
}

func setDuration(to *time.Duration, s string) *ParameterError {
	const hint = "write a number with a unit, such as 150ms, 1.5s or 2h30m"
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return &ParameterError{Cause: "is not a duration", Hint: hint}
	case d < 0:
		return &ParameterError{Cause: "is negative", Hint: hint}
	}
	*to = d
	return nil
}

func setStep(to *time.Duration, s string) *ParameterError {
	var d time.Duration
	if err := setDuration(&d, s); err != nil {
		return err
	}
	if d == 0 || d%model.RollupStep != 0 {
		return &ParameterError{Cause: "is not a multiple of 10s", Hint: "write 10s, 1m, 1h, or leave it out for one sum of the whole time"}
	}
	*to = d
	return nil
}

func setOrder(to *Order, s string) *ParameterError {
	switch s {
	case "newest":
		*to = OrderNewest
	case string(OrderSlowest):
		*to = OrderSlowest
	default:
		return &ParameterError{Cause: "is not an order", Hint: "write newest or slowest"}
	}
	return nil
}

func setBy(to *By, s string) *ParameterError {
	switch s {
	case "service":
		*to = ByService
	case string(ByGroup):
		*to = ByGroup
	default:
		keys := strings.Split(s, ",")
		// The key of an attribute has a name space.
		if len(keys) > MaxWhere || slices.ContainsFunc(keys, func(key string) bool { return !strings.Contains(key, ".") }) {
			return &ParameterError{Cause: "tells nothing apart", Hint: "write service or group, or keys of the probe's groups such as http.route,http.request.method"}
		}
		*to = ByKeys(keys...)
	}
	return nil
}

func setLimit(to *int, s string) *ParameterError {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > MaxLimit {
		return &ParameterError{Cause: fmt.Sprintf("is not a number from 1 to %d", MaxLimit), Hint: "for more, follow the pages: after is the next of the answer before"}
	}
	*to = n
	return nil
}

// checkSpan refuses a span that is empty at any time.
func checkSpan(from, to Moment) error {
	if from.IsZero() || to.IsZero() || from.At.IsZero() != to.At.IsZero() {
		return nil
	}
	if from.Ago > to.Ago || from.At.Before(to.At) {
		return nil
	}
	return &ParameterError{"from", from.String(), "is not before to=" + to.String(), "exchange them"}
}
