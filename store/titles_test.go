package store_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/latchkey-go/latchkey/store"
)

func TestRequirement26ImportedTitlesMayBeLonger(t *testing.T) {
	b := newBench(t, store.Options{})
	title := strings.Repeat("x", 100<<10)
	one := func(id, title string) store.ImportKey {
		token := "pk_" + strings.Repeat("0", 60) + id
		return store.ImportKey{Key: store.Key{ID: "apk_" + id, Type: store.Publishable, Title: title}, Token: token}
	}
	r, err := b.keys.Import(b.ctx, []store.ImportKey{one("0001", title), one("0002", title+"x")}, false)
	if err != nil || r.Imported != 1 || len(r.Refused) != 1 || r.Refused[0].ID != "apk_0002" {
		t.Fatalf("%+v, %v", r, err)
	}
	for name, p := range map[string]store.Patch{"another attribute": {Scopes: &[]string{"a"}}, "the same title": {Title: &title, Metadata: &map[string]string{"a": "b"}}} {
		if key, err := b.keys.Update(b.ctx, "apk_0001", p); err != nil || key.Title != title {
			t.Errorf("an update with %s: %v", name, err)
		}
	}
	if _, err := b.keys.LinkSalesChannels(b.ctx, "apk_0001", []string{"sc_1"}, nil); err != nil {
		t.Errorf("link: %v", err)
	}
	longer := title[:1025]
	if _, err := b.keys.Update(b.ctx, "apk_0001", store.Patch{Title: &longer}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("another long title: %v", err)
	}
	made, err := b.keys.Roll(b.ctx, "apk_0001", store.RollOptions{})
	if err != nil || made.Key.Title != title {
		t.Fatalf("roll: %v", err)
	}
	if _, err := b.keys.Revoke(b.ctx, made.Key.ID); err != nil {
		t.Errorf("revoke: %v", err)
	}
	if err := b.keys.Delete(b.ctx, made.Key.ID); err != nil {
		t.Errorf("delete: %v", err)
	}
}
