package target

import (
	"testing"

	"github.com/goshawk-io/goshawk/internal/model"
)

func TestServiceName(t *testing.T) {
	type env = map[string]string
	tests := []struct {
		name string
		path string
		exe  string
		env  env
		want string
	}{
		{name: "major version is no name", path: "github.com/nats-io/nats-server/v2", want: "nats-server"},
		{name: "major version of two digits", path: "example.com/app/v12", want: "app"},
		{name: "v1 is a package", path: "example.com/app/v1", want: "v1"},
		{name: "a package that only looks like a version", path: "example.com/app/v2x", want: "v2x"},
		{name: "command below the module", path: "github.com/caddyserver/caddy/v2/cmd/caddy", want: "caddy"},
		{name: "standard library command", path: "cmd/go", want: "go"},
		{name: "host and name", path: "code.gitea.io/gitea", want: "gitea"},
		{name: "one element", path: "v2", want: "v2"},
		{name: "files on the command line", path: "command-line-arguments", exe: "/srv/bin/shop", want: "shop"},
		{name: "no package", exe: "/srv/bin/shop", want: "shop"},
		{name: "nothing at all", want: ""},
		{name: "OTEL_SERVICE_NAME wins", path: "cmd/go", want: "cart", env: env{
			"OTEL_SERVICE_NAME": "cart", "OTEL_RESOURCE_ATTRIBUTES": "service.name=other"}},
		{name: "resource attribute", path: "cmd/go", want: "cart", env: env{
			"OTEL_RESOURCE_ATTRIBUTES": "a=b, service.name = cart ,service.namespace=x"}},
		{name: "percent-encoded resource attribute", path: "cmd/go", want: "my cart,é", env: env{
			"OTEL_RESOURCE_ATTRIBUTES": "service.name=my%20cart%2C%C3%A9"}},
		{name: "badly encoded resource attribute is taken as it is", path: "cmd/go", want: "50%", env: env{
			"OTEL_RESOURCE_ATTRIBUTES": "service.name=50%"}},
		{name: "empty variables are not set", path: "cmd/go", want: "go", env: env{
			"OTEL_SERVICE_NAME": " ", "OTEL_RESOURCE_ATTRIBUTES": "service.name="}},
		{name: "another key that ends alike", path: "cmd/go", want: "go", env: env{
			"OTEL_RESOURCE_ATTRIBUTES": "peer.service.name=db"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var build *model.GoBuild
			if tt.path != "" {
				build = &model.GoBuild{Path: tt.path}
			}
			if got := ServiceName(build, tt.exe, func(key string) string { return tt.env[key] }); got != tt.want {
				t.Errorf("ServiceName = %q, want %q", got, tt.want)
			}
		})
	}
	if got := ServiceName(nil, "/bin/sh", nil); got != "sh" {
		t.Errorf("ServiceName without environment = %q, want sh", got)
	}
}
