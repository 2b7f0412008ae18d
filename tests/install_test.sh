#!/bin/sh
# Installs what was built, and uses it as somebody outside would: compilers, pkg-config, man.
#
#   tests/install_test.sh SOURCE_FOLDER BUILD_FOLDER LIBDIR
set -eu
source=$1
build=$2
libdir=$3
stage=$build/install-test
root=$stage/opt/facet # of DESTDIR and prefix
answer="7 + 5 = 12."

fail() {
    echo "install_test: $*" >&2
    exit 1
}
# same WHAT EXPECTED FOUND
same() { [ "$2" = "$3" ] || fail "$1: expected '$2', found '$3'"; }

rm -rf "$stage"
DESTDIR=$stage cmake --install "$build" --prefix /opt/facet >/dev/null
for file in bin/facet "$libdir/libfacet.so" "$libdir/libfacet.a" "$libdir/pkgconfig/facet.pc" include/facet/facet.h \
    include/facet/facet.hpp share/man/man1/facet.1 share/man/man3/facet.3 share/facet/models/facet-demo-Q8_0.gguf; do
    [ -f "$root/$file" ] || fail "$file is not installed"
done

# The functions of the header, and nothing else, can be linked to.
declared=$(gcc -fpreprocessed -dD -E -P "$root/include/facet/facet.h" | grep -o '\bfacet_[a-z_]*(' | tr -d '(' | sort -u)
exported=$(nm -D --defined-only "$root/$libdir/libfacet.so" | awk '{print $3}' | sort -u)
same "exported symbols" "$declared" "$exported"
version=$("$root/bin/facet" --version | sed 's/^facet //')
readelf -d "$root/$libdir/libfacet.so" | grep -q "SONAME.*\[libfacet.so.${version%.*}\]" || fail "the soname is not of $version"

PKG_CONFIG_PATH=$root/$libdir/pkgconfig
LD_LIBRARY_PATH=$root/$libdir
export PKG_CONFIG_PATH LD_LIBRARY_PATH
same "version in facet.pc" "$version" "$(pkg-config --modversion facet)"
demo=$(pkg-config --variable=models facet)/facet-demo-Q8_0.gguf
cflags=$(pkg-config --cflags facet)
libs=$(pkg-config --libs facet)
cd "$stage"

# shellcheck disable=SC2086 # flags are words
{
    gcc -std=c11 -Wall -Wextra -Werror $cflags "$source/examples/chat.c" $libs -o chat_c
    g++ -std=c++20 -Wall -Wextra -Wshadow -Wconversion -Werror $cflags "$source/examples/chat.cpp" $libs -o chat_cpp
    # The program in the header's comment.
    sed -n '/A COMPLETE PROGRAM/,/ cc -std/p' "$root/include/facet/facet.h" | sed -n 's/^ \*     //p' |
        grep -v '^cc ' | sed 's/Hello!/What is 7 plus 5?/' >hello.c
    gcc -std=c11 -Wall -Wextra -Werror $cflags hello.c $libs -o hello
    # The static library, from a folder without the shared one.
    mkdir static
    cp "$root/$libdir/libfacet.a" static/
    gcc -std=c11 $cflags "$source/examples/chat.c" -Lstatic $(pkg-config --static --libs facet) -o chat_static
}
same "chat.c" "$answer" "$(./chat_c "$demo" 2>chat_c.err)"
grep -q '^plan: {"context":' chat_c.err || fail "chat.c prints no plan"
same "chat.cpp, first line" "> What is 7 plus 5?" "$(./chat_cpp "$demo" 2>/dev/null | head -n 1)"
ln -s "$demo" model.gguf
same "the program in facet.h" "$answer" "$(./hello)"
same "chat.c, static" "$answer" "$(LD_LIBRARY_PATH='' ./chat_static "$demo" 2>/dev/null)"
readelf -d chat_static | grep -q 'NEEDED.*libfacet' && fail "chat_static uses the shared library"

# Manuals name what there is: every command and function, and no option that does not exist.
help=$("$root/bin/facet" help)
for command in $(echo "$help" | sed -n 's/^  \([a-z]*\)  .*/\1/p'); do
    grep -q "^\.It Ic $command\$" "$root/share/man/man1/facet.1" || fail "facet.1 does not name $command"
    help=$help$("$root/bin/facet" "$command" --help)
done
for option in $(grep -o 'Fl -[a-z-]*' "$root/share/man/man1/facet.1" | sed 's/Fl /-/' | sort -u); do
    echo "$help" | grep -q -e "$option\b" || fail "facet.1 names $option, which no command has"
done
for function in $declared; do
    grep -q "^\.Fn $function\b" "$root/share/man/man3/facet.3" || fail "facet.3 does not name $function"
done
if command -v mandoc >/dev/null; then
    mandoc -Tlint -Wwarning "$root"/share/man/man*/* || fail "the manuals are not well-formed"
fi

# The program uses the model beside it, wherever that is: a broken one is named.
same "facet run" "$answer" "$(env -u FACET_MODEL "$root/bin/facet" run "What is 7 plus 5?" 2>/dev/null)"
echo broken >"$demo"
env -u FACET_MODEL "$root/bin/facet" run hello 2>run.err && fail "facet run does not use the installed model"
grep -qF "$root/share/facet/models" run.err || fail "facet run does not name the installed model: $(cat run.err)"
echo "installed in $root"
