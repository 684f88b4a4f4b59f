// Package tools is a module of its own, so that no application inherits what only our tests run. It
// imports what the code that its tools generate imports, so that its go.mod has that too.
package tools

import (
	_ "github.com/oapi-codegen/runtime"
	_ "github.com/ogen-go/ogen/ogenerrors"
	_ "github.com/ogen-go/ogen/otelogen"
	_ "github.com/ogen-go/ogen/uri"
	_ "go.opentelemetry.io/otel"
)
