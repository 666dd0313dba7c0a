" Asserts the syntax groups of a sample. Run: vim -es -u NONE -i NONE -n -S editors/vim/test.vim; it exits with 1 on a failure.
set nocompatible
let s:here = expand('<sfile>:p:h')
execute 'set runtimepath^=' . fnameescape(s:here)
filetype plugin on
syntax on
let s:failures = []

" The group at the first letter of a text in a line.
function s:Expect(line, text, group, ...) abort
  let l:column = stridx(getline(a:line), a:text, a:0 ? a:1 : 0) + 1
  let l:found = synIDattr(synID(a:line, l:column, 1), 'name')
  if l:column == 0 || l:found !=# a:group
    call add(s:failures, 'line ' . a:line . ': `' . a:text . '` is ' . l:found . ', not ' . a:group)
  endif
endfunction

execute 'edit ' . fnameescape(tempname() . '.dwmap')
call setline(1, [
      \ 'system fo from "schemas/fo.json" profile finops',
      \ '/// About the map.',
      \ 'map Customers: fo.CustomersV3 <-> dv.account {',
      \ '  version 1.0.0.5',
      \ '  key Number <-> number',
      \ '  take(Notes, 2000) <~> description   loses "a \" b"   else reject   on missing park // why',
      \ '  key <-> version',
      \ '  `when` <- null   on create',
      \ '  on conflict newest',
      \ '  on delete -> refuse',
      \ '}',
      \ 'entity fo.Customer {',
      \ '  partition key dataAreaId: text<4> required',
      \ '}',
      \ 'test "rename" in Customers {',
      \ '  given  fo { Name: "x" }',
      \ '  expect writes fo 1',
      \ '}'])

if &filetype !=# 'dwmap'
  call add(s:failures, 'the file type is `' . &filetype . '`')
endif
call s:Expect(1, 'system', 'dwmapItem')
call s:Expect(1, 'fo', 'dwmapName')
call s:Expect(1, 'from', 'dwmapHead')
call s:Expect(1, '"schemas', 'dwmapText')
call s:Expect(2, '///', 'dwmapDoc')
call s:Expect(3, 'map', 'dwmapItem')
call s:Expect(3, 'Customers', 'dwmapName')
call s:Expect(3, '<->', 'dwmapArrow')
call s:Expect(4, 'version', 'dwmapMember')
call s:Expect(4, '1.0', 'dwmapNumber')
call s:Expect(5, 'key', 'dwmapMember')
call s:Expect(5, 'Number', 'dwmapField')
call s:Expect(6, 'take', 'dwmapCall')
call s:Expect(6, '2000', 'dwmapNumber')
call s:Expect(6, '<~>', 'dwmapLossyArrow')
call s:Expect(6, 'loses', 'dwmapClause')
call s:Expect(6, '\"', 'dwmapEscape')
call s:Expect(6, 'else', 'dwmapClause')
call s:Expect(6, 'reject', 'dwmapAction')
call s:Expect(6, 'missing', 'dwmapEvent')
call s:Expect(6, 'park', 'dwmapAction')
call s:Expect(6, '// why', 'dwmapComment')
call s:Expect(7, 'key', 'dwmapField')
call s:Expect(7, 'version', 'dwmapField')
call s:Expect(8, '`when`', 'dwmapQuoted')
call s:Expect(8, 'null', 'dwmapConstant')
call s:Expect(8, 'create', 'dwmapEvent')
call s:Expect(9, 'on', 'dwmapMember')
call s:Expect(9, 'conflict', 'dwmapEvent')
call s:Expect(9, 'newest', 'dwmapPolicy')
call s:Expect(10, 'refuse', 'dwmapPolicy')
call s:Expect(12, 'fo.Customer', 'dwmapName')
call s:Expect(13, 'key', 'dwmapRole')
call s:Expect(13, 'dataAreaId', 'dwmapProperty')
call s:Expect(13, 'text', 'dwmapType')
call s:Expect(13, 'required', 'dwmapMark')
call s:Expect(15, 'in', 'dwmapHead')
call s:Expect(16, 'given', 'dwmapStep')
call s:Expect(17, 'writes', 'dwmapExpectation')

if &commentstring !=# '// %s'
  call add(s:failures, 'commentstring is `' . &commentstring . '`')
endif
" The one-line form of messages fills the quickfix list.
" Unlike :make, this command reads the global option.
let &g:errorformat = &l:errorformat
cgetexpr ['maps/a.dwmap:12:21: error[DW0101]: `account` has no field `x`', '1 error']
let s:first = get(filter(getqflist(), 'v:val.valid'), 0, {'lnum': 0, 'col': 0, 'nr': 0})
if s:first.lnum != 12 || s:first.col != 21 || s:first.nr != 101
  call add(s:failures, 'the error format does not read messages: ' . string(getqflist()))
endif

if !empty(s:failures)
  call writefile(s:failures, empty($DWMAP_VIM_REPORT) ? tempname() : $DWMAP_VIM_REPORT)
  cquit
endif
qall!
