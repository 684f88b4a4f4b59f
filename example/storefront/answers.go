package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	keyauth "github.com/latchkey-go/latchkey/middleware"
	"github.com/latchkey-go/latchkey/store"
)

// answer writes v as Medusa writes its answers: compact JSON without a newline at the end and with < and > as they are.
func answer(c echo.Context, status int, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	return c.Blob(status, "application/json; charset=utf-8", bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

// problem is an error that is told to the client as it stands, in the form that the guards and the admin routes use too.
type problem struct {
	status  int
	Type    string `json:"type"`
	Message string `json:"message"`
}

func (p *problem) Error() string { return p.Message }

func invalid(message string) error {
	return &problem{http.StatusBadRequest, "invalid_data", message}
}

// tellError is Echo's error handler: every error becomes one JSON answer here. What the client is not to know is in the request
// log, where Echo's RequestLogger puts the error.
func tellError(log *slog.Logger) echo.HTTPErrorHandler {
	return func(err error, c echo.Context) {
		if c.Response().Committed {
			return
		}
		var p *problem
		var refused *echo.HTTPError
		isHTTP := errors.As(err, &refused)
		body, fromGuard := keyauth.Body{}, false
		if isHTTP {
			body, fromGuard = refused.Message.(keyauth.Body)
		}
		switch {
		case errors.As(err, &p):
		case fromGuard: // first of the rest: its headers are set already
			p = &problem{refused.Code, body.Type, body.Message}
		case errors.Is(err, store.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
			c.Response().Header().Set("Retry-After", "1")
			p = &problem{http.StatusServiceUnavailable, "unavailable", "The shop cannot answer at the moment; try again"}
		case isHTTP && refused.Code < 500:
			p = &problem{refused.Code, typeOf(refused.Code), http.StatusText(refused.Code)}
		default:
			p = &problem{http.StatusInternalServerError, "unknown_error", "An unknown error occurred."}
		}
		if c.Request().Method == http.MethodHead {
			err = c.NoContent(p.status)
		} else {
			err = answer(c, p.status, p)
		}
		if err != nil {
			log.Debug("the client was gone before it had its answer", "error", err)
		}
	}
}

func typeOf(status int) string {
	switch status {
	case http.StatusNotFound:
		return "not_found"
	case http.StatusMethodNotAllowed:
		return "not_allowed"
	default:
		return "invalid_data"
	}
}

// decode reads a JSON object into the struct at v. An empty body leaves v as it is; unknown fields are refused, because whoever
// misspells one should hear of it.
func decode(c echo.Context, v any) error {
	const limit = 100 << 10
	body := &io.LimitedReader{R: c.Request().Body, N: limit + 1}
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	err := d.Decode(v)
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case body.N <= 0:
		return &problem{http.StatusRequestEntityTooLarge, "invalid_data", "The body is larger than 100 KB"}
	case err != nil:
		return invalid("Invalid request: " + strings.TrimPrefix(err.Error(), "json: "))
	case d.More():
		return invalid("Invalid request: more than one JSON value")
	}
	return nil
}
