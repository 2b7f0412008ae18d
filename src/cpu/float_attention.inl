// Attention in floats (attention.inl), for tables without a product of shorter ones.
struct A {
    static constexpr int kSteps = 1;
    using E = float;
    using X = V::F;
    static X load(const E* p) { return V::load_f(p); }
    static V::F dot(V::F acc, X a, X b) { return V::multiply_add(a, b, acc); }
    static X broadcast(const E* p) { return V::set_f(*p); }
    static void store(E* p, V::F a) { V::store_f(p, a); }
    static void store_row(E* p, const V::F* a) { V::store_f(p, a[0]); }
    static void store_steps(E* p, const V::F* a) { V::store_f(p, a[0]); }
    static V::F rounded(V::F a) { return a; }
};
