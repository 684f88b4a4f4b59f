package ui_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// patience is how long the page may take for what it is waited for. Nobody waits that long when all
// is well.
const patience = 30 * time.Second

// longest is how long one test may use its page.
const longest = 3 * time.Minute

// tab is a page in a browser. It is used as a person does: things are found by their roles and
// names, as a screen reader tells them. Its methods end the test when they fail.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	problems []string // what the console and the policy complained about
}

// open opens a tab with a profile of its own at the address. When the test ends, its console may
// have told of no error, warning or violation of the page's policy, but for answers of the API that
// are refusals: those are what tests are about.
func (b *chromium) open(t *testing.T, url string) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, longest)
	t.Cleanup(cancel)
	p := &tab{t: t, ctx: ctx}
	p.must("listen", chromedp.Listen(ctx, p.hear))
	for what, err := range map[string]error{
		"log":       call(ctx, log.Enable, cdp.Empty{}),
		"violation": call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: tellViolations}),
		"locale":    call(ctx, emulation.SetLocaleOverride, emulation.SetLocaleOverrideParams{Locale: "en-GB"}),
		"focus":     call(ctx, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}),
		"zone":      call(ctx, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "Asia/Kolkata"}), // UTC+5:30, all year
	} {
		p.must(what, err)
	}
	p.size(1280, 800)
	p.goes(url)
	t.Cleanup(func() {
		if t.Failed() {
			p.shot("failed-" + strings.NewReplacer("/", "-", " ", "-").Replace(t.Name()))
			t.Logf("the page shows:\n%s", p.text())
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, problem := range p.problems {
			t.Errorf("the console says: %s", problem)
		}
	})
	return p
}

// tellViolations runs in the page before its own scripts.
const tellViolations = `addEventListener('securitypolicyviolation',
	(e) => console.error('policy violated: ' + [e.violatedDirective, e.blockedURI, e.sourceFile, e.lineNumber].join(' ')));`

// goes opens another address.
func (p *tab) goes(url string) {
	p.t.Helper()
	p.must("open "+url, chromedp.Do(p.ctx, chromedp.Navigate(url)))
}

// complains waits until the console has said that.
func (p *tab) complains(about string) {
	p.t.Helper()
	p.until(func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !slices.ContainsFunc(p.problems, func(problem string) bool { return strings.Contains(problem, about) }) {
			return fmt.Errorf("the console does not say %q but %q", about, p.problems)
		}
		return nil
	})
}

// forgives takes back what the console has said about things that the test has provoked.
func (p *tab) forgives(provoked ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, about := range provoked {
		p.problems = slices.DeleteFunc(p.problems, func(problem string) bool { return strings.Contains(problem, about) })
	}
}

func (p *tab) hear(event any) {
	problem := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		problem = e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			problem += " " + e.ExceptionDetails.Exception.Description
		}
	case *runtime.EventConsoleAPICalled:
		problem = fmt.Sprint(e.Type)
		for _, arg := range e.Args {
			problem += " " + string(arg.Value) + arg.Description
		}
	case *log.EventEntryAdded:
		ofAPI := strings.Contains(e.Entry.URL, "/api-keys") || strings.Contains(e.Entry.URL, "/sales-channels")
		if e.Entry.Source == log.EntrySourceNetwork && ofAPI {
			return
		}
		problem = fmt.Sprintf("%s %s: %s (%s)", e.Entry.Source, e.Entry.Level, e.Entry.Text, e.Entry.URL)
	default:
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problems = append(p.problems, problem)
}

// call sends a command whose answer does not matter.
func call[P, R any](ctx context.Context, command cdp.Command[P, R], params P) error {
	_, err := chromedp.Call(ctx, command, params)
	return err
}

func (p *tab) must(what string, err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatalf("%s: %v", what, err)
	}
}

// js returns the value of an expression in the page.
func js[T any](p *tab, expression string) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	p.must(expression, err)
	return v
}

// until waits until ask returns nil.
func (p *tab) until(ask func() error) {
	p.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := ask()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatal(err)
		}
		time.Sleep(15 * time.Millisecond)
	}
}

// is waits until the expression is true in the page.
func (p *tab) is(expression string) {
	p.t.Helper()
	p.until(func() error {
		if !js[bool](p, expression) {
			return fmt.Errorf("it does not come true that %s", expression)
		}
		return nil
	})
}

// text is what can be read: in the dialog on top, or on the page.
func (p *tab) text() string {
	p.t.Helper()
	return js[string](p, `([...document.querySelectorAll('dialog[open]')].at(-1) ?? document.body).innerText`)
}

// sees waits until all of the texts can be read.
func (p *tab) sees(texts ...string) {
	p.t.Helper()
	p.until(func() error {
		all := p.text()
		for _, text := range texts {
			if !strings.Contains(all, text) {
				return fmt.Errorf("%q cannot be read in\n%s", text, all)
			}
		}
		return nil
	})
}

// lacks waits until none of the texts can be read.
func (p *tab) lacks(texts ...string) {
	p.t.Helper()
	p.until(func() error {
		all := p.text()
		for _, text := range texts {
			if strings.Contains(all, text) {
				return fmt.Errorf("%q can be read in\n%s", text, all)
			}
		}
		return nil
	})
}

// query returns what has the role and the name and can be perceived. A name that ends in … is the
// beginning of one.
func (p *tab) query(role, name string) ([]*accessibility.Node, error) {
	document, err := chromedp.Call(p.ctx, runtime.Evaluate, runtime.EvaluateParams{Expression: "document"})
	if err != nil {
		return nil, err
	}
	params := accessibility.QueryAXTreeParams{ObjectID: document.Result.ObjectID, Role: role, AccessibleName: name}
	start, partial := strings.CutSuffix(name, "…")
	if partial {
		params.AccessibleName = ""
	}
	found, err := chromedp.Call(p.ctx, accessibility.QueryAXTree, params)
	return slices.DeleteFunc(found.Nodes, func(n *accessibility.Node) bool {
		return n.Ignored || partial && !strings.HasPrefix(textOf(n.Name), start)
	}), err
}

func textOf(v *accessibility.Value) string {
	var s string
	if v != nil {
		_ = json.Unmarshal(v.Value, &s) // no text is no name
	}
	return s
}

// find waits until there is one thing with the role and the name.
func (p *tab) find(role, name string) *accessibility.Node {
	p.t.Helper()
	var node *accessibility.Node
	p.until(func() error {
		found, err := p.query(role, name)
		if err != nil {
			return err
		}
		if len(found) != 1 {
			return fmt.Errorf("there are %d things with the role %s and the name %q", len(found), role, name)
		}
		node = found[0]
		return nil
	})
	return node
}

// misses waits until there is nothing with the role and the name.
func (p *tab) misses(role, name string) {
	p.t.Helper()
	p.until(func() error {
		if found, err := p.query(role, name); err != nil || len(found) > 0 {
			return fmt.Errorf("there are %d things with the role %s and the name %q: %v", len(found), role, name, err)
		}
		return nil
	})
}

// click presses the mouse where the thing is.
func (p *tab) click(role, name string) {
	p.t.Helper()
	p.until(func() error {
		id := p.find(role, name).BackendDOMNodeID
		if err := call(p.ctx, dom.ScrollIntoViewIfNeeded, dom.ScrollIntoViewIfNeededParams{BackendNodeID: id}); err != nil {
			return err // it has just been drawn anew
		}
		where, err := chromedp.Call(p.ctx, dom.GetContentQuads, dom.GetContentQuadsParams{BackendNodeID: id})
		if err != nil || len(where.Quads) == 0 {
			return fmt.Errorf("%s %q is nowhere: %v", role, name, err)
		}
		q := where.Quads[0]
		return chromedp.Do(p.ctx, chromedp.MouseClickXY((q[0]+q[4])/2, (q[1]+q[5])/2))
	})
}

// hasFocus reports whether what has the focus is the thing.
func (p *tab) hasFocus(role, name string) error {
	active, err := chromedp.Call(p.ctx, runtime.Evaluate, runtime.EvaluateParams{Expression: "document.activeElement"})
	if err != nil {
		return err
	}
	at, err := chromedp.Call(p.ctx, accessibility.GetPartialAXTree, accessibility.GetPartialAXTreeParams{ObjectID: active.Result.ObjectID, FetchRelatives: new(false)})
	if err != nil {
		return err
	}
	if len(at.Nodes) == 0 || textOf(at.Nodes[0].Role) != role || !named(textOf(at.Nodes[0].Name), name) {
		return fmt.Errorf("the focus is on %s, not on %s %q", describe(at.Nodes), role, name)
	}
	return nil
}

func named(name, wanted string) bool {
	start, partial := strings.CutSuffix(wanted, "…")
	return name == wanted || partial && strings.HasPrefix(name, start)
}

func describe(nodes []*accessibility.Node) string {
	if len(nodes) == 0 {
		return "nothing"
	}
	return fmt.Sprintf("%s %q", textOf(nodes[0].Role), textOf(nodes[0].Name))
}

// focused waits until the thing has the focus.
func (p *tab) focused(role, name string) {
	p.t.Helper()
	p.until(func() error { return p.hasFocus(role, name) })
}

// tabTo presses the tab key until the thing has the focus, and checks that the focus can be seen on
// the way.
func (p *tab) tabTo(role, name string) {
	p.t.Helper()
	p.find(role, name)
	var err error
	for range 60 {
		if err = p.hasFocus(role, name); err == nil {
			return
		}
		p.press(kb.Tab)
		if outline := js[string](p, focusOutline); outline != "" {
			p.t.Errorf("the focus cannot be seen on %s", outline)
		}
	}
	p.t.Fatalf("the tab key does not lead there: %v", err)
}

// focusOutline is "" when the focus is shown by an outline around the element, or around the field
// that it is a part of. The button with which Chromium opens its calendar is within the field,
// which is then active and has not the focus; it has Chromium's own outline.
const focusOutline = `(() => {
	const e = document.activeElement;
	if (e === document.body || e === document.documentElement || e.type === 'datetime-local' && !e.matches(':focus')) return '';
	const shown = [e, e.closest('.chips'), e.closest('.choices label')].some((x) => x && getComputedStyle(x).outlineStyle !== 'none' && parseFloat(getComputedStyle(x).outlineWidth) >= 2);
	return shown ? '' : e.outerHTML.slice(0, 120);
})()`

// press presses keys one after the other.
func (p *tab) press(keys ...string) {
	p.t.Helper()
	for _, key := range keys {
		if key == kb.Enter {
			p.must("press a key", pressEnter(p.ctx))
			continue
		}
		p.must("press a key", chromedp.Do(p.ctx, chromedp.KeyEvent(key)))
	}
}

// pressEnter is one event for the key and its character, as it is with a real keyboard: a page that
// handles the key then does not get the character. chromedp makes two of it.
func pressEnter(ctx context.Context) error {
	key := input.DispatchKeyEventParams{Type: kb.KeyDown, Key: "Enter", Code: "Enter", WindowsVirtualKeyCode: 13, Text: "\r"}
	if err := call(ctx, input.DispatchKeyEvent, key); err != nil {
		return err
	}
	key.Type, key.Text = kb.KeyUp, ""
	return call(ctx, input.DispatchKeyEvent, key)
}

// types puts a text where the focus is, at once, as pasting and phones do. press is for who wants
// each key to be pressed.
func (p *tab) types(text string) {
	p.t.Helper()
	p.must("type", call(p.ctx, input.InsertText, input.InsertTextParams{Text: text}))
}

// retypes types a text in the place of what is there.
func (p *tab) retypes(text string) {
	p.t.Helper()
	p.must("select all", chromedp.Do(p.ctx, chromedp.KeyEvent("a", chromedp.KeyModifiers(chromedp.ModifierCtrl))))
	if text == "" {
		p.press(kb.Backspace)
		return
	}
	p.types(text)
}

// fills clicks on a field and types into it.
func (p *tab) fills(role, name, text string) {
	p.t.Helper()
	p.click(role, name)
	p.retypes(text)
}

// chooses takes an option of a list, as the keyboard does.
func (p *tab) chooses(list, option string) {
	p.t.Helper()
	id := p.find("combobox", list).BackendDOMNodeID
	p.must("focus", call(p.ctx, dom.Focus, dom.FocusParams{BackendNodeID: id}))
	p.press(kb.Home)
	for range js[int](p, "document.activeElement.options.length") {
		if js[string](p, "document.activeElement.selectedOptions[0].label") == option {
			return
		}
		p.press(kb.ArrowDown)
	}
	p.t.Fatalf("%s has no option %q", list, option)
}

// mayUseClipboard lets the page read and write the clipboard without asking.
func (p *tab) mayUseClipboard() {
	p.t.Helper()
	var err error
	for _, name := range []string{"clipboard-read", "clipboard-write"} {
		_, refused := chromedp.CallBrowser(p.ctx, browser.SetPermission, browser.SetPermissionParams{
			Permission: &browser.PermissionDescriptor{Name: name}, Setting: browser.PermissionSettingGranted,
			BrowserContextID: chromedp.FromContext(p.ctx).BrowserContextID,
		})
		err = errors.Join(err, refused)
	}
	p.must("allow the clipboard", err)
}

// size makes the window that large.
func (p *tab) size(width, height int64) {
	p.t.Helper()
	p.must("set the size", chromedp.Do(p.ctx, chromedp.EmulateViewport(width, height)))
}

// scheme makes the system light or dark.
func (p *tab) scheme(name string) {
	p.t.Helper()
	p.must("set the scheme", call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
	}))
}

// picture returns what is to be seen as PNG, once nothing moves any more; quick makes it large.
func (p *tab) picture(quick bool) []byte {
	p.t.Helper()
	p.is(`document.getAnimations().every((a) => a.playState === 'finished')`)
	taken, err := chromedp.Call(p.ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{OptimizeForSpeed: new(quick)})
	p.must("take a picture", err)
	return taken.Data
}

// shot keeps a picture as an output of the test.
func (p *tab) shot(name string) {
	p.t.Helper()
	folder := os.Getenv("LATCHKEY_SCREENSHOTS")
	if folder == "" {
		folder = p.t.ArtifactDir()
	}
	p.must("keep a picture", errors.Join(os.MkdirAll(folder, 0o755), os.WriteFile(filepath.Join(folder, name+".png"), p.picture(true), 0o644)))
}
