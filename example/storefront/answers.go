package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/latchkey-go/latchkey/store"
)

// answer writes v as Medusa writes its answers: compact JSON without a newline at the end and with
// < and > as they are.
func answer(c echo.Context, status int, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	return c.Blob(status, "application/json; charset=utf-8", bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

// problem is an error that is sent to the client unchanged, in the form that the guards and the
// admin routes use too.
type problem struct {
	status  int
	Type    string `json:"type"`
	Message string `json:"message"`
}

func (p *problem) Error() string { return p.Message }

func invalid(message string) error {
	return &problem{http.StatusBadRequest, "invalid_data", message}
}

// tellError is Echo's error handler: every error becomes one JSON answer here. What the client is
// not to know is in the request log, where Echo's RequestLogger puts the error.
func tellError(log *slog.Logger) echo.HTTPErrorHandler {
	return func(err error, c echo.Context) {
		if c.Response().Committed {
			return
		}
		status, body := told(err)
		if h := c.Response().Header(); status == http.StatusServiceUnavailable && h.Get("Retry-After") == "" {
			h.Set("Retry-After", "1")
		}
		if status == http.StatusUnauthorized {
			c.Response().Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		}
		if c.Request().Method == http.MethodHead {
			err = c.NoContent(status)
		} else {
			err = answer(c, status, body)
		}
		if err != nil {
			log.Debug("the client was gone before it had its answer", "error", err)
		}
	}
}

// told returns what the client hears of an error.
func told(err error) (status int, body any) {
	var known *problem
	var unread unreadable
	var wrong *store.Error
	var refused *echo.HTTPError
	isHTTP := errors.As(err, &refused)
	if isHTTP {
		if inner, ok := refused.Internal.(*echo.HTTPError); ok { // a guard's: its headers are set already
			return inner.Code, inner.Message
		}
	}
	switch {
	case errors.As(err, &known):
		return known.status, known
	case errors.As(err, &unread):
		return unread.StatusCode(), unread
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable, &problem{Type: "unavailable", Message: "The shop cannot answer at the moment; try again"}
	case errors.Is(err, store.ErrUnauthenticated): // the key has ended since the guard let it in
		return http.StatusUnauthorized, &problem{Type: "unauthorized", Message: "Unauthorized"}
	case errors.As(err, &wrong) && wrong.Kind == store.ErrForbidden:
		return http.StatusForbidden, &problem{Type: "forbidden", Message: wrong.Message}
	case errors.As(err, &wrong) && wrong.Kind == store.ErrInvalid:
		return http.StatusBadRequest, &problem{Type: "invalid_data", Message: wrong.Message}
	case isHTTP && refused.Code < 500:
		return refused.Code, &problem{Type: typeOf(refused.Code), Message: http.StatusText(refused.Code)}
	default:
		return http.StatusInternalServerError, &problem{Type: "unknown_error", Message: "An unknown error occurred."}
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
