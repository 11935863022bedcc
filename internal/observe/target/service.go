package target

import (
	"net/url"
	"path"
	"strings"

	"github.com/goshawk-io/goshawk/internal/model"
)

// The variables of a process that may name its service.
const (
	envServiceName = "OTEL_SERVICE_NAME"
	envResource    = "OTEL_RESOURCE_ATTRIBUTES"
)

// ServiceName names the service that a process is. In order of preference:
// OTEL_SERVICE_NAME, service.name in OTEL_RESOURCE_ATTRIBUTES, the last
// element of the main package's path without a major version, the base name of
// the executable. A nil build and a nil getenv are allowed.
func ServiceName(build *model.GoBuild, exe string, getenv func(string) string) string {
	if getenv != nil {
		if name := strings.TrimSpace(getenv(envServiceName)); name != "" {
			return name
		}
		if name := resourceServiceName(getenv(envResource)); name != "" {
			return name
		}
	}
	if name := packageServiceName(build); name != "" {
		return name
	}
	if exe == "" {
		return ""
	}
	return path.Base(exe)
}

// resourceServiceName returns service.name of a list of percent-encoded
// "key=value" pairs separated by commas.
func resourceServiceName(attributes string) string {
	for pair := range strings.SplitSeq(attributes, ",") {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || strings.TrimSpace(key) != "service.name" {
			continue
		}
		value = strings.TrimSpace(value)
		if decoded, err := url.PathUnescape(value); err == nil {
			value = decoded
		}
		return value
	}
	return ""
}

// packageServiceName returns the name that the main package's path gives,
// empty when it gives none and the executable has to.
func packageServiceName(build *model.GoBuild) string {
	if build == nil || build.Path == "" || build.Path == "command-line-arguments" {
		return ""
	}
	dir, last := path.Split(build.Path)
	if isMajorVersion(last) && dir != "" {
		last = path.Base(dir)
	}
	return last
}

// isMajorVersion reports whether the path element is a module's major version
// suffix, "v2" and up.
func isMajorVersion(element string) bool {
	digits, ok := strings.CutPrefix(element, "v")
	if !ok || digits == "" || digits[0] == '0' || digits == "1" {
		return false
	}
	return strings.Trim(digits, "0123456789") == ""
}
