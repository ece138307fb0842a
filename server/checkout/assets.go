package checkout

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"strings"
)

var (
	//go:embed assets/*.html
	templates embed.FS
	//go:embed assets/page.css
	pageCSS []byte
	//go:embed assets/page.js
	pageJS []byte
)

// hashLength is how much of an asset's SHA-256 stands in its name, in hex.
const hashLength = 16

// asset is a file that pages link to. Its name holds its hash, so it never changes under that name.
type asset struct {
	contentType   string
	plain, zipped []byte
}

// assets are the files by name, with the addresses that pages link to.
type assets struct {
	byName        map[string]asset
	style, script string
}

func loadAssets() assets {
	a := assets{byName: map[string]asset{}}
	a.style = a.add(pageCSS, "css", "text/css; charset=utf-8")
	a.script = a.add(pageJS, "js", "text/javascript; charset=utf-8")
	return a
}

func (a *assets) add(content []byte, extension, contentType string) (address string) {
	sum := sha256.Sum256(content)
	name := hex.EncodeToString(sum[:])[:hashLength] + "." + extension
	a.byName[name] = asset{contentType, content, zip(content)}
	return "/pay/assets/" + name
}

func zip(content []byte) []byte {
	var out bytes.Buffer
	writer := gzip.NewWriter(&out)
	_, _ = writer.Write(content) // A buffer takes everything.
	_ = writer.Close()
	return out.Bytes()
}

// asset answers with a file that browsers may keep for ever.
func (v *visit) asset(name string) {
	file, ok := v.door.assets.byName[name]
	if !ok {
		v.notFound()
		return
	}
	header := v.Header()
	header.Set("Content-Type", file.contentType)
	header.Set("Cache-Control", "public, max-age=31536000, immutable")
	header.Set("Vary", "Accept-Encoding")
	content := file.plain
	if strings.Contains(v.r.Header.Get("Accept-Encoding"), "gzip") {
		header.Set("Content-Encoding", "gzip")
		content = file.zipped
	}
	v.write(http.StatusOK, content)
}
